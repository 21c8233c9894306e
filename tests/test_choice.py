"""Which candidate of a decoder evaluation is chosen."""

import dataclasses
import math

from gradiend.choice import Candidate, Measured, aims, between, neighbour, reason

CLASSES = ("female", "male")
FACTORS = {"female": 1.0, "male": -1.0}
BASE = Measured(
    lms=0.5,
    lms_se=0.01,
    tokens=1000,
    cross_entropy=2.0,
    difference=0.0,
    difference_se=0.0,
    passes=True,
    complete=True,
    probabilities={
        "p_female_on_female": 0.9,
        "p_female_on_male": 0.1,
        "p_male_on_female": 0.1,
        "p_male_on_male": 0.9,
    },
    gap=0.8,
    n=10,
)


def measured(*, passes: bool = True, gap: float = 0.8, lms: float = 0.5, **probabilities: float) -> Measured:
    changed = {**BASE.probabilities, **probabilities}
    return dataclasses.replace(BASE, passes=passes, gap=gap, lms=lms, probabilities=changed)


def aim(name: str, direction: str):
    return next(a for a in aims(CLASSES, [direction], FACTORS) if (a.target_class, a.direction) == (name, direction))


def test_the_reason_names_the_nearest_miss_by_lms_where_nothing_passes() -> None:
    candidates = [
        (Candidate(1.0, 0.1), measured(passes=False, lms=0.49)),
        (Candidate(1.0, 1.0), measured(passes=False, lms=0.1)),
    ]
    text = reason(aim("female", "strengthen"), candidates, BASE, 0.99)
    assert "learning rate 0.1 with LMS 0.49" in text and "0.99" in text


def test_the_reason_names_the_nearest_miss_by_probability_where_some_pass() -> None:
    candidates = [
        (Candidate(1.0, 0.1), measured(p_female_on_male=0.05)),
        (Candidate(1.0, 0.2), measured(p_female_on_male=0.08)),
    ]
    text = reason(aim("female", "strengthen"), candidates, BASE, 0.99)
    assert "better than the base model (0.1)" in text and "learning rate 0.2 with 0.08" in text


def test_the_neighbour_is_the_next_larger_rate_of_the_same_feature_factor() -> None:
    candidates = [Candidate(1.0, 0.1), Candidate(1.0, 0.5), Candidate(1.0, 0.2), Candidate(-1.0, 0.15)]
    assert neighbour(Candidate(1.0, 0.1), candidates) == Candidate(1.0, 0.2)
    assert neighbour(Candidate(1.0, 0.5), candidates) is None


def test_weakening_uses_the_negated_feature_factor_and_balancing_all_of_them() -> None:
    assert aim("female", "strengthen").feature_factors == (1.0,)
    assert aim("female", "weaken").feature_factors == (-1.0,)
    assert aim("balance", "balance").feature_factors == (-1.0, 1.0)
    (balance,) = aims(CLASSES, ["balance"], FACTORS, balancing=[0.0])
    assert balance.feature_factors == (-1.0, 0.0, 1.0)


def test_the_middle_of_two_rates_is_in_log_scale() -> None:
    assert math.isclose(between(0.1, 10.0), 1.0)
