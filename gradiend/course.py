"""The course of a training: evaluations of the encoder, what the curves record, and the best weights so far."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradiend.caps import OF_THE_ENCODER, capped, require_each_class
from gradiend.gradients.rows import Rows, classes_by_example, source_of
from gradiend.labels import labels, spoken_class
from gradiend.model import ACTIVATIONS, GradiendModel
from gradiend.partial import State
from gradiend.scores import correlation, statistics_by_class
from gradiend.settings import Train


@dataclass(frozen=True)
class Evaluation:
    """Pearson correlation of encoded value and label, by latent (None where degenerate).

    `mean_by_class` has the mean encoded value by the class that the source gradient speaks for.
    """

    correlations: tuple[float | None, ...]
    mean_by_class: dict[str, float | int | None]

    @property
    def latent(self) -> int:
        """The latent whose value is the encoded value: the first of the highest |correlation|."""
        return strongest(self.correlations)

    @property
    def correlation(self) -> float | None:
        """The correlation of the encoded value."""
        return self.correlations[self.latent]


@dataclass(frozen=True)
class Sample:
    """The rows on which the encoder is judged: positions, labels and spoken classes, `[sample]` each."""

    rows: Rows
    positions: np.ndarray
    labels: np.ndarray
    classes: np.ndarray

    @classmethod
    def of(cls, rows: Rows, positions: np.ndarray, settings: Train) -> "Sample":
        """These rows, labelled by the settings' source and target classes."""
        table = rows.table.iloc[positions]
        signs = labels(table, settings.source, settings.target_classes)
        return cls(rows, positions, signs, spoken_class(table, settings.source).to_numpy())

    @classmethod
    def capped(cls, rows: Rows, settings: Train) -> "Sample":
        """The rows of an in-training evaluation; the same for every training seed."""
        cap, balanced = settings.encoder_eval_train_max_size, settings.encoder_eval_balance
        classes = classes_by_example(rows.table)
        if balanced:
            require_each_class(classes, cap, OF_THE_ENCODER)
        positions = capped(classes, cap, balanced=balanced, seed=settings.seed)
        return cls.of(rows, positions, settings)

    def evaluate(self, model: GradiendModel) -> Evaluation:
        """Encode the rows and compare with the labels."""
        encoded = encode_rows(model, self.rows, self.positions)
        correlations = tuple(correlation(latent, self.labels).value for latent in encoded.T)
        by_class = statistics_by_class(encoded[:, strongest(correlations)], self.classes)
        return Evaluation(correlations, {name: found["mean"] for name, found in by_class.items()})


def encode_rows(model: GradiendModel, rows: Rows, positions: np.ndarray) -> np.ndarray:
    """The latents of some rows, `[len(positions), latent_dim]` float64.

    Products with blocks of rows; those of a diff are subtracted, so that no diff is formed.
    """
    weight, source = model.encoder.weight.detach().cpu(), model.config.source
    parts = [torch.empty(0, len(weight))]
    for factual, alternative in rows.blocks(positions.tolist()):
        if source == "diff":
            parts.append(factual @ weight.T - alternative @ weight.T)
        else:
            parts.append(source_of(factual, alternative, source) @ weight.T)
    sums = torch.cat(parts).double() + model.encoder.bias.detach().cpu()
    return ACTIVATIONS[model.config.activation_encoder](sums).numpy()


def strongest(correlations: tuple[float | None, ...]) -> int:
    """Index of the first of the highest |correlation|; 0 where there is none at all."""
    return int(np.argmax([-1.0 if value is None else abs(value) for value in correlations]))


@dataclass(frozen=True)
class Point:
    """One record: the step, the mean training loss since the record before, and the evaluation there."""

    step: int
    loss: float | None = None
    evaluation: Evaluation | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Point":
        """The point of which `dataclasses.asdict` made these values, through JSON or not."""
        found = values["evaluation"]
        evaluation = Evaluation(tuple(found["correlations"]), found["mean_by_class"]) if found else None
        return cls(values["step"], values["loss"], evaluation)

    @property
    def correlation(self) -> float | None:
        """The correlation of the encoded value, None without an evaluation."""
        return self.evaluation.correlation if self.evaluation else None

    def score(self, *, by_loss: bool) -> float | None:
        """Higher is better: minus the loss, or |correlation|; None where there is none, and at step 0."""
        value = self.loss if by_loss else self.correlation
        if value is None or self.step == 0:
            return None
        return -value if by_loss else abs(value)


class Course:
    """Records a training as it goes on, and keeps a copy of the best weights if `keep_best`.

    `sample` is what evaluations read (None: none), `by_loss` whether the loss or the correlation says what is best.
    """

    def __init__(self, model: GradiendModel, sample: Sample | None, *, by_loss: bool, keep_best: bool) -> None:
        self.curves: list[dict[str, Any]] = []
        self.latest = Point(0)
        self._model, self._sample, self._by_loss, self._keep_best = model, sample, by_loss, keep_best
        self._losses: list[float] = []
        self._best: Point | None = None
        self._weights: dict[str, Tensor] = {}

    def add(self, loss: float) -> None:
        """One step's loss."""
        self._losses.append(loss)

    def record(self, step: int, epoch: float) -> None:
        """Evaluate, add a line to the curves, and remember the weights if they are the best so far."""
        evaluation = self._sample.evaluate(self._model) if self._sample else None
        self.latest = Point(step, fmean(self._losses) if self._losses else None, evaluation)
        self._losses.clear()
        self.curves.append(
            {
                "step": step,
                "epoch": epoch,
                "loss": self.latest.loss,
                "correlation": self.latest.correlation,
                "mean_by_class": evaluation.mean_by_class if evaluation else {},
            }
        )
        if self._keep_best and self._is_better(self.score(self.latest)):
            self._remember()

    def state(self) -> State:
        """All that a later `restore` needs to go on as if nothing had happened."""
        points = {"latest": asdict(self.latest), "best": asdict(self._best) if self._best else None}
        values = {"curves": self.curves, "losses": self._losses, **points}
        return State({f"best.{name}": tensor for name, tensor in self._weights.items()}, values)

    def restore(self, state: State) -> None:
        """Go on from what `state` gave; other tensors and values in it are of no interest here."""
        self.curves, self._losses = state.values["curves"], state.values["losses"]
        self.latest, best = Point.of(state.values["latest"]), state.values["best"]
        self._best = Point.of(best) if best else None
        prefix = "best."
        self._weights = {n.removeprefix(prefix): t for n, t in state.tensors.items() if n.startswith(prefix)}

    def score(self, point: Point) -> float | None:
        """The score by which points are compared, higher is better."""
        return point.score(by_loss=self._by_loss)

    def choose(self) -> Point:
        """The best point, with its weights put back into the model; without one the latest, as it is."""
        if self._best is None:
            return self.latest
        self._model.load_state_dict(self._weights)
        return self._best

    def _is_better(self, score: float | None) -> bool:
        best = self.score(self._best) if self._best else None
        return score is not None and (best is None or score > best)

    def _remember(self) -> None:
        self._best = self.latest
        for name, tensor in self._model.state_dict().items():
            self._weights.setdefault(name, torch.empty_like(tensor)).copy_(tensor)
