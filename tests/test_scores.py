"""Correlation, its interval and p-value, balanced accuracy, statistics by class."""

import itertools
import json

import numpy as np
import pytest
from scipy import stats

from gradiend.scores import (
    REPETITIONS,
    balanced_accuracy,
    bootstrap_interval,
    correlation,
    permutation_p_value,
    statistics,
    statistics_by_class,
)


def noisy(rows: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Encoded values and labels in {-1, 0, 1}, the more alike the less noise."""
    generator = np.random.default_rng(seed)
    labels = generator.choice([-1.0, 0.0, 1.0], rows)
    return labels + noise * generator.normal(size=rows), labels


@pytest.mark.parametrize("rows", [3, 17, 400])
@pytest.mark.parametrize("noise", [0.01, 1.0, 100.0])
def test_correlation_is_that_of_scipy(rows: int, noise: float) -> None:
    encoded, labels = noisy(rows, noise, seed=rows)
    assert correlation(encoded, labels).value == pytest.approx(stats.pearsonr(encoded, labels).statistic, abs=1e-12)


def test_correlation_keeps_its_sign_and_ignores_scale_and_offset() -> None:
    encoded, labels = noisy(50, 0.5)
    found = correlation(encoded, labels).value
    assert found is not None
    assert correlation(-encoded, labels).value == pytest.approx(-found)
    assert correlation(1e-20 * encoded, labels).value == pytest.approx(found)
    assert correlation(1e20 * encoded + 1e21, labels).value == pytest.approx(found)


def test_correlation_never_exceeds_one() -> None:
    for seed in range(50):
        labels = np.random.default_rng(seed).choice([-1.0, 1.0], 7 + seed) + np.arange(7 + seed)
        value = correlation(0.1 * labels, labels).value
        assert value is not None
        assert 1 - 1e-12 < value <= 1


DEGENERATE = {
    "0 rows: a correlation needs at least 3": ([], []),
    "2 rows": ([0.1, 0.2], [1, -1]),
    "NaN or infinite": ([0.1, float("nan"), 0.3], [1, -1, 1]),
    "infinite": ([0.1, float("inf"), 0.3], [1, -1, 1]),
    "only one label: all 3 rows have label -1": ([0.1, 0.2, 0.3], [-1, -1, -1]),
    "constant encodings: all 3 are 0": ([0.0, 0.0, 0.0], [1, -1, 1]),
    "constant encodings: all 4 are -0.7": ([-0.7] * 4, [1, -1, 1, 0]),
    "constant encodings: all 3 are 1": ([1.0, 1.0 - 6e-8, 1.0], [1, -1, 1]),  # saturated, in float32
}


@pytest.mark.parametrize("reason", DEGENERATE)
def test_degenerate_input_has_no_score_but_a_reason(reason: str) -> None:
    encoded, labels = (np.array(values, dtype=np.float64) for values in DEGENERATE[reason])
    found = correlation(encoded, labels)
    assert found.value is None
    assert found.reason is not None and reason in found.reason
    assert bootstrap_interval(encoded, labels, seed=0) is None
    assert permutation_p_value(encoded, labels, seed=0) is None


def test_values_just_above_rounding_are_not_constant() -> None:
    found = correlation(np.array([1.0, 1.0 - 1e-6, 1.0]), np.array([1.0, -1.0, 1.0]))
    assert found.value == pytest.approx(1)
    assert found.reason is None


@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_bootstrap_interval_is_that_of_scipy(noise: float) -> None:
    encoded, labels = noisy(120, noise)
    expected = stats.bootstrap(
        (encoded, labels),
        lambda x, y, axis: stats.pearsonr(x, y, axis=axis).statistic,
        paired=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(5),
    ).confidence_interval
    width = expected.high - expected.low
    assert bootstrap_interval(encoded, labels, seed=0) == pytest.approx(tuple(expected), abs=0.06 * width)


def test_bootstrap_interval_skips_degenerate_resamples() -> None:
    encoded, labels = np.array([1.0, 0.2, 0.1]), np.array([1.0, -1.0, -1.0])
    interval = bootstrap_interval(encoded, labels, seed=0)  # half of the resamples have one label
    assert interval is not None
    assert np.isfinite(interval).all()
    assert interval[0] <= interval[1]


def test_interval_and_p_value_are_determined_by_the_seed() -> None:
    encoded, labels = noisy(40, 3.0)
    for score in (bootstrap_interval, permutation_p_value):
        assert score(encoded, labels, seed=1) == score(encoded, labels, seed=1)
        assert len({score(encoded, labels, seed=seed) for seed in range(8)}) > 1


@pytest.mark.parametrize("noise", [0.8, 2.0, 10.0])
def test_p_value_estimates_the_share_of_all_permutations(noise: float) -> None:
    encoded, labels = noisy(7, noise, seed=3)
    found = abs(stats.pearsonr(encoded, labels).statistic)
    all_of_them = np.array(list(itertools.permutations(labels)))
    exact = np.mean(abs(stats.pearsonr(encoded[None], all_of_them, axis=1).statistic) >= found - 1e-12)
    estimate = permutation_p_value(encoded, labels, seed=0)
    assert estimate == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / REPETITIONS) + 1e-3)


def test_p_value_is_two_sided_and_never_zero() -> None:
    encoded, labels = noisy(200, 0.1)
    assert permutation_p_value(encoded, labels, seed=0) == 1 / 1001
    assert permutation_p_value(-encoded, labels, seed=0) == 1 / 1001
    encoded, labels = np.array([0.0, 1.0, 0.0, 0.0]), np.array([1.0, -1.0, -1.0, -1.0])
    assert permutation_p_value(encoded, labels, seed=0) == 1  # -1/3, where all others are -1/3 or 1


def test_p_value_counts_ties_as_equal() -> None:
    encoded = labels = np.array([1.0, -1.0, -1.0])  # a third of the permutations is the identity
    assert permutation_p_value(0.1 * encoded, labels, seed=0) == pytest.approx(1 / 3, abs=0.06)


def test_balanced_accuracy_weighs_both_classes_alike_and_leaves_out_label_zero() -> None:
    encoded = np.array([0.5, 0.5, 0.5, -0.5, -0.1, 0.1, 0.9])
    labels = np.array([1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 0.0])
    assert balanced_accuracy(encoded, labels) == (3 / 4 + 1 / 2) / 2


def test_an_encoded_zero_is_the_sign_of_neither_class() -> None:
    assert balanced_accuracy(np.zeros(4), np.array([1.0, 1.0, -1.0, -1.0])) == 0


@pytest.mark.parametrize("labels", [[1.0, 1.0, 0.0], [-1.0, -1.0, -1.0], []])
def test_balanced_accuracy_needs_both_classes(labels: list[float]) -> None:
    assert balanced_accuracy(np.ones(len(labels)), np.array(labels)) is None


def test_balanced_accuracy_of_values_that_are_not_finite_is_null() -> None:
    assert balanced_accuracy(np.array([np.nan, 1.0]), np.array([1.0, -1.0])) is None


def test_statistics_are_of_the_population() -> None:
    values = np.random.default_rng(0).normal(size=9)
    found = statistics(values)
    assert list(found) == ["n", "mean", "std", "q25", "q50", "q75"]
    assert found["n"] == 9
    assert found["mean"] == pytest.approx(sum(values) / 9)
    assert found["std"] == pytest.approx(np.sqrt(sum((values - sum(values) / 9) ** 2) / 9))
    assert [found["q25"], found["q50"], found["q75"]] == pytest.approx([sorted(values)[i] for i in (2, 4, 6)])


def test_statistics_are_grouped_by_class() -> None:
    found = statistics_by_class(np.array([1.0, 2.0, 5.0]), np.array(["b", "a", "b"]))
    assert list(found) == ["a", "b"]
    assert (found["a"]["mean"], found["b"]["mean"], found["b"]["n"]) == (2, 3, 2)


def test_statistics_never_hold_nan() -> None:
    for values in (np.empty(0), np.array([1.0, np.nan]), np.array([np.inf])):
        assert json.loads(json.dumps(statistics(values), allow_nan=False))["mean"] is None
