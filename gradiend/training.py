"""Training one GRADIEND from one seed: rows in, weights and curves out (paper, section 3). No base model here."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch

from gradiend.course import Course, Evaluation, Point, Sample
from gradiend.errors import GradiendError
from gradiend.gradients.rows import Rows, source_of
from gradiend.loop import Loop, SaveCheckpoint
from gradiend.model import ODD_ACTIVATIONS, GradiendConfig, GradiendModel, made_by
from gradiend.partial import Partial
from gradiend.schedule import Schedule
from gradiend.settings import Train, canonical
from gradiend.space import ParameterSpace

AUTO_MOVEMENT = 0.1  # learning rate x L1 norm of a row bounds how far one Adam step moves the encoder's input


@dataclass(frozen=True)
class Trained:
    """One trained GRADIEND, and how it came about.

    `curves` has `{step, epoch, loss, correlation, mean_by_class}` for step 0, every `eval_steps` and the last step.
    `best_step` is the step of the weights, `loss` the mean training loss since the record before it, `training_score`
    its score (|correlation| or minus the loss; None where there is none). `model.config.correlation` is of the
    `judged` rows, which are training rows where `judged_in_training` is false.
    """

    model: GradiendModel
    curves: list[dict[str, Any]]
    best_step: int
    training_score: float | None
    loss: float | None
    learning_rate: float
    steps: int
    judged: int
    judged_in_training: bool
    warnings: list[str]


def train(
    settings: Train,
    space: ParameterSpace,
    training_rows: Rows,
    evaluation_rows: Rows | None,
    seed: int,
    *,
    about: Mapping[str, Any] | None = None,
    save_checkpoint: SaveCheckpoint | None = None,
    devices: tuple[str, str] = ("cpu", "cpu"),
    tuned: float | None = None,
    progress: bool = True,
    partial: Partial | None = None,
) -> Trained:
    """Train one GRADIEND; the result depends on settings, rows and seed alone (and on the number of threads).

    `evaluation_rows` are read where `reads_evaluation_rows(settings)`. `about` says more about what made the model
    than settings and space do, `save_checkpoint` gets step and model where save_strategy is "steps", `devices` are
    those of encoder and decoder, `tuned` is the rate for learning_rate "tune", `progress` shows a bar. `partial` keeps
    the state of a training that is interrupted; one that finds its own state there goes on from it, to the very same
    result. Raises `GradiendError` for rows that lack a target transition, and `Diverged` where the loss is not finite.
    """
    schedule = Schedule.of(training_rows.table, settings.target_classes)
    rate = tuned if settings.learning_rate == "tune" and tuned else learning_rate(settings, training_rows)
    model = _new_model(settings, space, seed, about or {})
    model.encoder.to(devices[0])
    model.decoder.to(devices[1])
    used = evaluation_rows if reads_evaluation_rows(settings) else None
    sample = None if used is None else Sample.capped(used, settings)
    course = Course(model, sample, by_loss=_by_loss(settings), keep_best=_keeps_best(settings))
    loop = Loop(settings, schedule, training_rows, seed, rate, model, course, save_checkpoint, partial, progress)
    loop.run()
    chosen = course.choose()
    model.to("cpu")
    return _finished(loop, chosen, sample or _training_sample(settings, training_rows), in_training=sample is not None)


def untrained(settings: Train, space: ParameterSpace, seed: int) -> GradiendModel:
    """The GRADIEND that `train` begins with."""
    return _new_model(settings, space, seed, {})


def oriented(model: GradiendModel, settings: Train, evaluation_rows: Rows) -> GradiendModel:
    """The same model, oriented by its evaluation rows as `train` orients one that is evaluated during training."""
    _orient(model, settings, Sample.capped(evaluation_rows, settings).evaluate(model))
    return model


def reads_evaluation_rows(settings: Train) -> bool:
    """Whether the encoder is evaluated during training; one that is not trained is not."""
    return _evaluates(settings) and not settings.supervised_decoder


def learning_rate(settings: Train, rows: Rows) -> float:
    """The learning rate as a number; "auto" is 0.1 / mean L1 norm of the source gradients of the rows.

    Rows that are 0 (the diff of an identity row) move nothing and do not count. Raises `GradiendError` if all are, and
    for "tune", which only `gradiend.tuning` can answer.
    """
    if settings.learning_rate == "tune":
        raise GradiendError("learning_rate tune: no tuned rate is given: give that of the stage tune_learning_rate")
    if settings.learning_rate != "auto":
        return float(settings.learning_rate)
    norms: list[float] = []
    for factual, alternative in rows.blocks(range(len(rows.table))):
        source = source_of(factual, alternative, settings.source)
        norms += torch.linalg.vector_norm(source, ord=1, dim=1).tolist()  # [block]
    moving = [norm for norm in norms if norm > 0]
    if not moving:
        raise GradiendError(f"learning_rate auto: every {settings.source} gradient of the {len(norms)} rows is 0")
    return AUTO_MOVEMENT / fmean(moving)


@torch.no_grad()
def normalise(model: GradiendModel, evaluation: Evaluation) -> None:
    """Negate encoder row, encoder bias and decoder column of every latent with a negative correlation.

    `model(x)` stays the same for every x, if the encoder's activation is odd.
    """
    signs = torch.tensor([-1.0 if (value or 0.0) < 0 else 1.0 for value in evaluation.correlations])
    if bool((signs < 0).any()):
        model.encoder.weight.mul_(signs[:, None])
        model.encoder.bias.mul_(signs)
        model.decoder.weight.mul_(signs)


def _new_model(settings: Train, space: ParameterSpace, seed: int, about: Mapping[str, Any]) -> GradiendModel:
    first, second = settings.target_classes
    config = GradiendConfig(
        target_classes=(first, second),
        source=settings.source,
        target=settings.target,
        latent_dim=settings.latent_dim,
        activation_encoder=settings.activation_encoder,
        activation_decoder=settings.activation_decoder,
        bias_decoder=settings.bias_decoder,
        supervised=_supervised(settings),
        made_by=made_by(space, canonical(settings)) | {"seed": seed, **about},
    )
    return GradiendModel(space, config).initialise(seed)


def _supervised(settings: Train) -> str | None:
    if settings.supervised_encoder:
        return "encoder"
    return "decoder" if settings.supervised_decoder else None


def _by_loss(settings: Train) -> bool:
    return settings.convergent_metric == "loss" or settings.supervised_decoder


def _evaluates(settings: Train) -> bool:
    return settings.do_eval and settings.eval_strategy == "steps"


def _keeps_best(settings: Train) -> bool:
    return _evaluates(settings) and settings.save_strategy != "no"


def _training_sample(settings: Train, rows: Rows) -> Sample | None:
    if settings.supervised_decoder:
        return None
    return Sample.of(rows, np.arange(len(rows.table)), settings)


def _finished(loop: Loop, chosen: Point, sample: Sample | None, *, in_training: bool) -> Trained:
    evaluation = chosen.evaluation or (sample.evaluate(loop.model) if sample else None)
    _orient(loop.model, loop.settings, evaluation)
    return Trained(
        model=loop.model,
        curves=loop.course.curves,
        best_step=chosen.step,
        training_score=loop.course.score(chosen),
        loss=chosen.loss,
        learning_rate=loop.rate,
        steps=loop.steps,
        judged=len(sample.positions) if sample else 0,
        judged_in_training=in_training,
        warnings=_warnings(loop.settings, loop.course, evaluation),
    )


def _orient(model: GradiendModel, settings: Train, evaluation: Evaluation | None) -> None:
    """Normalise where that is set and possible, and note in the config what the saved weights are."""
    if evaluation is None:
        return
    correlation = evaluation.correlation
    normalised = settings.normalize_gradiend and model.config.supervised is None and _odd(settings)
    if normalised:
        normalise(model, evaluation)
        correlation = None if correlation is None else abs(correlation)
    model.config = dataclasses.replace(
        model.config,
        latent=evaluation.latent,
        correlation=correlation,
        normalized=normalised and correlation is not None,
    )


def _odd(settings: Train) -> bool:
    return settings.activation_encoder in ODD_ACTIVATIONS


def _warnings(settings: Train, course: Course, evaluation: Evaluation | None) -> list[str]:
    found = []
    if settings.normalize_gradiend and _supervised(settings) is None and not _odd(settings):
        odd = ", ".join(sorted(ODD_ACTIVATIONS))
        found.append(
            f"normalize_gradiend: not done, activation_encoder '{settings.activation_encoder}' is not odd ({odd} are)"
        )
    if evaluation is not None and evaluation.correlation is None:
        found.append("no correlation of encoded value and label: the encoder gives one value, or there is one label")
    return found
