"""Trials of learning rates -> the one to take. Pure Python: the report chooses again, for its figure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

NEAR_CORRELATION = 0.005  # mean |correlations| that differ by less are as good as each other
NEAR_LOSS = 1.01  # and mean losses within this factor


@dataclass(frozen=True)
class Trial:
    """One seed trained with one rate: |correlation| on validation and the training loss, None where there is none."""

    learning_rate: float
    factor: float
    seed: int
    correlation: float | None
    loss: float | None
    converged: bool
    reason: str | None = None


@dataclass(frozen=True)
class Rate:
    """The trials of one rate: how many seeds there are, how many of them converged, and the mean of their metric.

    A seed without a correlation counts as 0, one without a loss as infinite.
    """

    learning_rate: float
    factor: float
    seeds: int
    converged: int
    correlation: float
    loss: float


def rates(trials: Sequence[Trial]) -> list[Rate]:
    """The trials by rate, from low to high."""
    by_rate: dict[float, list[Trial]] = {}
    for trial in trials:
        by_rate.setdefault(trial.learning_rate, []).append(trial)
    return [_rate(own) for _, own in sorted(by_rate.items())]


def choose(trials: Sequence[Trial], metric: str) -> Rate:
    """The rate with which most seeds converge; of these the one with the best mean metric.

    `metric` is that of the convergence, "correlation" or "loss". Of rates as good as the best, to within
    `NEAR_CORRELATION` or `NEAR_LOSS`, the one nearest to "auto", and of two as near the lower.
    """
    return min(_best(trials, metric), key=lambda rate: (round(abs(math.log(rate.factor)), 9), rate.factor))


def remarks(trials: Sequence[Trial], metric: str) -> list[str]:
    """What a user must know about the choice: nothing converged, or a better rate may lie outside the grid."""
    every, best, found = rates(trials), _best(trials, metric), []
    if not best[0].converged:
        tried = f"{every[0].learning_rate:.3g} to {every[-1].learning_rate:.3g}"
        found.append(f"no seed converged with any learning rate ({tried}): took the best of them")
    if len(every) > 1 and len(best) == 1 and best[0] in (every[0], every[-1]):
        end = "lowest" if best[0] == every[0] else "highest"
        found.append(f"the {end} learning rate is the best: a better one may lie beyond it (tuning.factors)")
    return found


def _best(trials: Sequence[Trial], metric: str) -> list[Rate]:
    """The rates that are as good as the best."""
    every = rates(trials)
    most = max(rate.converged for rate in every)
    return NEARLY_BEST[metric]([rate for rate in every if rate.converged == most])


def _rate(trials: Sequence[Trial]) -> Rate:
    return Rate(
        learning_rate=trials[0].learning_rate,
        factor=trials[0].factor,
        seeds=len(trials),
        converged=sum(trial.converged for trial in trials),
        correlation=fmean(trial.correlation or 0.0 for trial in trials),
        loss=fmean(math.inf if trial.loss is None else trial.loss for trial in trials),
    )


def _of_high_correlation(among: list[Rate]) -> list[Rate]:
    best = max(rate.correlation for rate in among)
    return [rate for rate in among if rate.correlation >= best - NEAR_CORRELATION]


def _of_low_loss(among: list[Rate]) -> list[Rate]:
    best = min(rate.loss for rate in among)
    return [rate for rate in among if rate.loss <= best * NEAR_LOSS]


NEARLY_BEST: dict[str, Callable[[list[Rate]], list[Rate]]] = {
    "correlation": _of_high_correlation,
    "loss": _of_low_loss,
}
