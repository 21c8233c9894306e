"""The learning-rate search: multiples of "auto" are tried on the stored rows, and judged on validation."""

import sys
from dataclasses import asdict, replace

from tqdm import tqdm

from gradiend.course import Sample
from gradiend.gradients.rows import Rows
from gradiend.learning_rates import Trial
from gradiend.loop import Diverged
from gradiend.partial import Partial, State
from gradiend.selection import has_converged, seed_values
from gradiend.settings import Train, TuneLearningRate
from gradiend.space import ParameterSpace
from gradiend.training import Trained, learning_rate, train


def tune(
    settings: TuneLearningRate,
    space: ParameterSpace,
    training_rows: Rows,
    validation_rows: Rows,
    *,
    devices: tuple[str, str] = ("cpu", "cpu"),
    partial: Partial | None = None,
) -> list[Trial]:
    """Train every seed with every rate, `factors` times "auto", and judge it on the validation rows.

    The rows that judge are those of the in-training evaluation. A training that diverges is a trial without metrics.
    `partial` keeps the trials of a search that is interrupted, and the state of its training.
    """
    auto = learning_rate(settings.train, training_rows)
    seeds = seed_values(settings.train.seed, settings.max_seeds)
    pairs = [(factor, seed) for factor in sorted(set(settings.factors)) for seed in seeds]
    trials = _made(partial)
    bar = tqdm(pairs, desc="tuning", unit="training", mininterval=5, file=sys.stderr)
    for number, (factor, seed) in enumerate(bar):
        if number < len(trials):
            continue
        own, begun = (
            replace(settings.train, learning_rate=auto * factor),
            partial.part(str(number)) if partial else None,
        )
        try:
            trained = train(
                own, space, training_rows, validation_rows, seed, devices=devices, progress=False, partial=begun
            )
        except Diverged as error:
            trials.append(Trial(auto * factor, factor, seed, None, None, False, str(error)))
        else:
            trials.append(_judged(trained, own, validation_rows, factor, seed, settings.convergent_score_threshold))
        if partial and begun:
            partial.save(State({}, {"trials": [asdict(trial) for trial in trials]}))
            begun.clear()
    return trials


def _made(partial: Partial | None) -> list[Trial]:
    """The trials of an earlier job."""
    state = partial.load() if partial else None
    return [Trial(**trial) for trial in state.values["trials"]] if state else []


def _judged(trained: Trained, settings: Train, rows: Rows, factor: float, seed: int, threshold: float) -> Trial:
    """The sign of a GRADIEND that is not normalised says nothing about the rate: |correlation|."""
    found = None
    if not settings.supervised_decoder:
        found = Sample.capped(rows, settings).evaluate(trained.model).correlation
    metrics = {"correlation": None if found is None else abs(found), "loss": trained.loss}
    converged = has_converged(metrics, settings.convergent_metric, threshold)
    return Trial(trained.learning_rate, factor, seed, metrics["correlation"], trained.loss, converged)
