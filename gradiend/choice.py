"""The choice among candidates of a decoder evaluation; pure functions over what was measured."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Candidate:
    """One rewritten model: `learning_rate * decoder(feature_factor)` was added to the base model."""

    feature_factor: float
    learning_rate: float
    refined: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Measured:
    """What was measured for a candidate on one split, or for the base model itself.

    `probabilities`: `p_{scored class}_on_{example class}` -> mean; empty where they were not needed. `gap`: mean
    |P(first) - P(second target class)|. `difference` is that of the LMS to the base model's on the same tokens.
    """

    lms: float
    lms_se: float
    tokens: int
    cross_entropy: float
    difference: float
    difference_se: float
    passes: bool
    complete: bool
    probabilities: dict[str, float]
    gap: float | None
    n: int


@dataclass(frozen=True)
class Aim:
    """What a choice is for: `value` is to be as large as possible, and larger than the base model's."""

    target_class: str
    direction: str
    value: Callable[[Measured], float]
    feature_factors: tuple[float, ...]


def aims(
    target_classes: Sequence[str], directions: Sequence[str], factors: dict[str, float], balancing: Sequence[float] = ()
) -> list[Aim]:
    """The aims of a decoder evaluation; `factors` strengthens each class.

    Strengthen c: P(c) on examples of the other target class. Weaken c: less P(c) on examples of c. Balance: a
    smaller gap between the two, by either of the two factors, their opposites, or one of `balancing`.
    """
    first, second = target_classes
    found = []
    for name, other in ((first, second), (second, first)):
        if "strengthen" in directions:
            found.append(Aim(name, "strengthen", _probability(name, other, 1.0), (factors[name],)))
        if "weaken" in directions:
            found.append(Aim(name, "weaken", _probability(name, name, -1.0), (-factors[name],)))
    if "balance" in directions:
        both = tuple(sorted({*factors.values(), *(-factor for factor in factors.values()), *balancing}))
        found.append(Aim("balance", "balance", _negative_gap, both))
    return found


def candidates_of(aims: Sequence[Aim], learning_rates: Sequence[float]) -> list[Candidate]:
    """All candidates of a grid, each once, though several aims may weigh it."""
    every = (Candidate(factor, rate) for aim in aims for factor in aim.feature_factors for rate in learning_rates)
    return list(dict.fromkeys(every))


def reason(aim: Aim, candidates: Sequence[tuple[Candidate, Measured]], base: Measured, ratio: float) -> str:
    """Why nothing was chosen, naming the nearest miss."""
    if any(measured.passes for _, measured in candidates):
        passing = [(aim.value(m), c) for c, m in candidates if m.passes and m.probabilities]
        value, nearest = max(passing, key=lambda item: item[0])
        return (
            f"no candidate that keeps the LMS is better than the base model ({abs(aim.value(base)):.4g}); "
            f"nearest: learning rate {nearest.learning_rate:g} with {abs(value):.4g}"
        )
    if base.lms == 0:
        return f"the base model predicts none of {base.tokens} neutral tokens rightly: an LMS of 0 cannot be kept"
    nearest, measured = max(candidates, key=lambda item: item[1].lms)
    return (
        f"no candidate keeps {ratio} of the base model's LMS {base.lms:.4g}; nearest: learning rate "
        f"{nearest.learning_rate:g} with LMS {measured.lms:.4g}"
    )


def neighbour(chosen: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate with the same feature factor and the next larger learning rate."""
    larger = [
        candidate
        for candidate in candidates
        if candidate.feature_factor == chosen.feature_factor and candidate.learning_rate > chosen.learning_rate
    ]
    return min(larger, key=lambda candidate: candidate.learning_rate, default=None)


def between(low: float, high: float) -> float:
    """The middle of two learning rates in log scale."""
    return math.sqrt(low * high)


def _probability(scored: str, on: str, sign: float) -> Callable[[Measured], float]:
    return lambda measured: sign * measured.probabilities[f"p_{scored}_on_{on}"]


def _negative_gap(measured: Measured) -> float:
    return -measured.gap if measured.gap is not None else -math.inf
