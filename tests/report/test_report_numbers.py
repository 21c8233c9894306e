"""Numbers as people read them."""

from collections.abc import Callable
from typing import Any

import pytest

from gradiend.report import numbers


@pytest.mark.parametrize(
    ("function", "value", "shown"),
    [
        (numbers.score, 0.97712, "0.977"),
        (numbers.score, 0.99996, "> 0.999"),
        (numbers.score, 1.0, "1.000"),
        (numbers.score, -0.0001, "0.000"),
        (numbers.score, -0.5, "\u22120.500"),
        (numbers.score, float("nan"), "\u2013"),
        (numbers.change, 0.25, "+0.250"),
        (numbers.probability, 0.00001, "< 0.0001"),
        (numbers.probability, 0.0052, "0.0052"),
        (numbers.probability, 0.0, "0.000"),
        (numbers.p_value, 1 / 1001, "p ≤ 0.001"),
        (numbers.p_value, 0.0213, "p = 0.021"),
        (numbers.count, 10_000, "10,000"),
        (numbers.number, 2.13e-10, "2.13e-10"),
        (numbers.duration, 3725, "1 h 2 min"),
        (numbers.interval, None, "\u2013"),
    ],
)
def test_numbers_have_sensible_digits(function: Callable[[Any], str], value: Any, shown: str) -> None:
    assert function(value) == shown


@pytest.mark.parametrize("value", [-0.0, -1e-9, -0.0004])
@pytest.mark.parametrize(
    "function",
    [
        numbers.score,
        numbers.change,
        numbers.number,
        numbers.signed,
        numbers.count,
        numbers.percent,
        numbers.probability,
    ],
)
def test_no_zero_has_a_sign(function: Callable[[Any], str], value: float) -> None:
    shown = function(value)
    assert set(shown) & set("123456789") or shown[0] == "0"
