"""Scores of encoded values against labels, float64. What cannot be computed is None with a reason, never NaN or 0."""

from dataclasses import dataclass

import numpy as np

REPETITIONS = 1000
LEAST_ROWS = 3  # two rows always correlate perfectly


@dataclass(frozen=True)
class Correlation:
    """A Pearson correlation, or None and the reason why there is none."""

    value: float | None
    reason: str | None = None


def correlation(encoded: np.ndarray, labels: np.ndarray) -> Correlation:
    """The Pearson correlation of encoded values `[rows]` and labels `[rows]`.

    None for fewer than `LEAST_ROWS` rows, values that are not finite, a single label, or constant encodings:
    those that float32, the type of the weights, cannot tell apart.
    """
    reason = _degenerate(encoded, labels)
    if reason is not None:
        return Correlation(None, reason)
    return Correlation(float(np.clip(_standardised(encoded) @ _standardised(labels), -1, 1)))


def bootstrap_interval(encoded: np.ndarray, labels: np.ndarray, *, seed: int) -> tuple[float, float] | None:
    """The 95 % percentile interval of the correlation, from `REPETITIONS` resamples of the rows.

    Degenerate resamples are skipped. None where the correlation is None.
    """
    if _degenerate(encoded, labels) is not None:
        return None
    generator, size = np.random.default_rng(seed), len(labels)
    drawn = (generator.integers(size, size=size) for _ in range(REPETITIONS))
    resampled = (correlation(encoded[rows], labels[rows]).value for rows in drawn)
    values = [value for value in resampled if value is not None]
    if not values:
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def permutation_p_value(encoded: np.ndarray, labels: np.ndarray, *, seed: int) -> float | None:
    """The share of `REPETITIONS` permutations of the labels with at least this |correlation| (two-sided).

    It is (1 + count) / (1 + `REPETITIONS`), so never 0. None where the correlation is None.
    """
    if _degenerate(encoded, labels) is not None:
        return None
    generator, values, signs = np.random.default_rng(seed), _standardised(encoded), _standardised(labels)
    bound = abs(values @ signs) - 1e-12  # equal correlations differ by rounding
    count = sum(abs(values @ generator.permutation(signs)) >= bound for _ in range(REPETITIONS))
    return float((1 + count) / (1 + REPETITIONS))


def balanced_accuracy(encoded: np.ndarray, labels: np.ndarray) -> float | None:
    """How often the sign is the label, averaged over the labels +1 and -1; other rows do not count.

    0 is the sign of neither. None where one of the two labels is missing or a value is not finite.
    """
    if not np.isfinite(encoded).all() or not {1.0, -1.0} <= set(labels.tolist()):
        return None
    return float(np.mean([(np.sign(encoded[labels == sign]) == sign).mean() for sign in (1, -1)]))


def statistics(encoded: np.ndarray) -> dict[str, float | int | None]:
    """`n, mean, std` (population)`, q25, q50, q75`; None, but for n, without rows or where a value is not finite."""
    if len(encoded) == 0 or not np.isfinite(encoded).all():
        return {"n": len(encoded)} | dict.fromkeys(("mean", "std", "q25", "q50", "q75"))
    quartiles = np.quantile(encoded, [0.25, 0.5, 0.75])
    numbers = {"mean": encoded.mean(), "std": encoded.std()} | dict(zip(("q25", "q50", "q75"), quartiles, strict=True))
    return {"n": len(encoded)} | {name: float(number) for name, number in numbers.items()}


def statistics_by_class(encoded: np.ndarray, classes: np.ndarray) -> dict[str, dict[str, float | int | None]]:
    """The `statistics` of the encoded values of each class that occurs in `classes` `[rows]`."""
    return {str(name): statistics(encoded[classes == name]) for name in sorted(set(classes.tolist()))}


def _degenerate(encoded: np.ndarray, labels: np.ndarray) -> str | None:
    """Why there is no correlation; None where there is one."""
    size = len(encoded)
    if size < LEAST_ROWS:
        return f"{size} rows: a correlation needs at least {LEAST_ROWS}"
    if not np.isfinite(encoded).all():
        return "an encoded value is NaN or infinite"
    if np.ptp(labels) == 0:
        return f"only one label: all {size} rows have label {labels[0]:g}"
    if np.ptp(encoded) <= np.finfo(np.float32).eps * np.abs(encoded).max():
        return f"constant encodings: all {size} are {encoded[0]:.6g}"
    return None


def _standardised(values: np.ndarray) -> np.ndarray:
    """`[rows]` with mean 0 and Euclidean norm 1."""
    centred = values - values.mean()
    return np.asarray(centred / np.linalg.norm(centred))
