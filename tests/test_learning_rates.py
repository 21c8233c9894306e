"""Trials -> the learning rate to take: most seeds converged, then the best mean metric, then the nearest to "auto"."""

import math
from itertools import permutations

import pytest

from gradiend.learning_rates import Trial, choose, rates, remarks

AUTO = 3e-5


def trials(
    by_factor: dict[float, list[float | None]], metric: str = "correlation", threshold: float = 0.5
) -> list[Trial]:
    """One trial for each value of the metric; a value converges where it passes the threshold."""
    found = []
    for factor, values in by_factor.items():
        for seed, value in enumerate(values):
            good = value is not None and (value >= threshold if metric == "correlation" else value <= threshold)
            metrics = {"correlation": None, "loss": None} | {metric: value}
            found.append(Trial(AUTO * factor, factor, seed, converged=good, **metrics))
    return found


def taken(by_factor: dict[float, list[float | None]], metric: str = "correlation") -> float:
    return choose(trials(by_factor, metric), metric).factor


def test_the_rate_with_which_most_seeds_converge_is_taken_even_if_another_has_a_higher_mean() -> None:
    assert taken({0.1: [0.6, 0.6, 0.6], 1: [1.0, 1.0, 0.4]}) == 0.1


def test_of_as_many_converged_seeds_the_higher_mean_correlation_is_taken() -> None:
    assert taken({0.1: [0.9, 0.9], 1: [0.8, 0.8], 10: [0.95, 0.99]}) == 10


def test_rates_as_good_as_the_best_go_to_the_one_nearest_to_auto_and_of_two_to_the_lower() -> None:
    assert taken({0.1: [0.999], 1: [0.996], 10: [1.0]}) == 1
    assert taken({0.1: [1.0], 0.5: [0.999], 2: [1.0], 10: [1.0]}) == 0.5
    assert taken({0.5: [0.99], 2: [1.0]}) == 2


def test_a_seed_without_a_correlation_counts_as_zero() -> None:
    assert taken({1: [None, 1.0], 2: [0.4, 0.9]}) == 2
    (one,) = rates(trials({1: [None, 1.0]}))
    assert (one.seeds, one.converged, one.correlation) == (2, 1, 0.5)


def test_by_loss_the_lowest_mean_loss_is_taken_and_one_without_a_loss_never_if_there_is_another() -> None:
    assert taken({0.1: [0.4, 0.2], 1: [0.4, 0.1], 10: [0.4, 0.4]}, "loss") == 1
    assert taken({1: [0.9, None], 10: [0.95, 0.9]}, "loss") == 10
    assert rates(trials({1: [0.9, None]}, "loss"))[0].loss == math.inf
    assert taken({1: [None], 10: [None]}, "loss") == 1


def test_the_order_of_the_trials_does_not_matter() -> None:
    some = trials({0.1: [0.9], 1: [0.2], 2: [0.93], 10: [None]})
    assert {choose(order, "correlation") for order in permutations(some)} == {choose(some, "correlation")}


def test_no_converged_seed_is_remarked_and_the_best_taken() -> None:
    some = trials({0.1: [0.1], 1: [0.3], 10: [0.2]})
    assert choose(some, "correlation").factor == 1
    (remark,) = remarks(some, "correlation")
    assert remark == "no seed converged with any learning rate (3e-06 to 0.0003): took the best of them"


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ({0.1: [1.0], 1: [0.7], 10: [0.6]}, "the lowest learning rate is the best"),
        ({0.1: [0.7], 1: [0.8], 10: [0.9]}, "the highest learning rate is the best"),
        ({0.1: [0.7], 1: [1.0], 10: [0.9]}, ""),
        ({1: [1.0], 2: [1.0], 10: [1.0]}, ""),
        ({1: [1.0]}, ""),
    ],
)
def test_a_best_rate_at_the_end_of_the_grid_is_remarked(values: dict[float, list[float | None]], end: str) -> None:
    found = remarks(trials(values), "correlation")
    assert len(found) == bool(end)
    assert all(remark.startswith(end) for remark in found)
