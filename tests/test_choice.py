"""Which candidate of a decoder evaluation is chosen."""

import dataclasses
import math

import pytest

from gradiend.choice import Candidate, Measured, aims, best, between, boundary, reason

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


def test_strengthening_takes_the_highest_probability_on_texts_of_the_other_class() -> None:
    candidates = [
        (Candidate(1.0, 0.1), measured(p_female_on_male=0.3, p_female_on_female=0.99)),
        (Candidate(1.0, 0.2), measured(p_female_on_male=0.6)),
        (Candidate(1.0, 0.5), measured(p_female_on_male=0.9, passes=False)),
    ]
    assert best(aim("female", "strengthen"), candidates, BASE) == Candidate(1.0, 0.2)


def test_weakening_takes_the_lowest_probability_on_texts_of_the_class() -> None:
    candidates = [
        (Candidate(-1.0, 0.1), measured(p_female_on_female=0.5)),
        (Candidate(-1.0, 0.2), measured(p_female_on_female=0.2)),
        (Candidate(-1.0, 0.5), measured(p_female_on_female=0.0, passes=False)),
    ]
    chosen = best(aim("female", "weaken"), candidates, BASE)
    assert chosen == Candidate(-1.0, 0.2)
    assert aim("female", "weaken").feature_factors == (-1.0,)


def test_balancing_takes_the_smallest_gap_of_both_feature_factors() -> None:
    candidates = [(Candidate(1.0, 0.1), measured(gap=0.3)), (Candidate(-1.0, 0.1), measured(gap=0.2))]
    assert best(aim("balance", "balance"), candidates, BASE) == Candidate(-1.0, 0.1)
    assert aim("balance", "balance").feature_factors == (-1.0, 1.0)


@pytest.mark.parametrize("direction", ["strengthen", "weaken"])
def test_what_is_not_better_than_the_base_model_is_never_chosen(direction: str) -> None:
    assert best(aim("female", direction), [(Candidate(1.0, 0.1), measured())], BASE) is None


def test_balancing_keeps_the_base_model_where_no_candidate_has_a_smaller_gap() -> None:
    assert best(aim("balance", "balance"), [(Candidate(1.0, 0.1), measured(gap=0.8))], BASE) is None


def test_of_equal_candidates_the_smaller_learning_rate_is_chosen() -> None:
    equal = measured(p_female_on_male=0.4)
    candidates = [(Candidate(1.0, rate), equal) for rate in (0.5, 0.1, 0.2)]
    assert best(aim("female", "strengthen"), candidates, BASE) == Candidate(1.0, 0.1)


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


def test_the_boundary_is_the_failing_neighbour_above_the_choice() -> None:
    candidates = [
        (Candidate(1.0, 0.1), measured()),
        (Candidate(1.0, 0.2), measured(passes=False)),
        (Candidate(-1.0, 0.15), measured(passes=False)),
    ]
    assert boundary(Candidate(1.0, 0.1), candidates) == 0.2


def test_there_is_no_boundary_below_a_passing_neighbour_or_at_the_end_of_the_grid() -> None:
    candidates = [
        (Candidate(1.0, 0.1), measured()),
        (Candidate(1.0, 0.2), measured()),
        (Candidate(1.0, 0.5), measured(passes=False)),
    ]
    assert boundary(Candidate(1.0, 0.1), candidates) is None
    assert boundary(Candidate(1.0, 0.5), candidates) is None


def test_the_middle_of_two_rates_is_in_log_scale() -> None:
    assert math.isclose(between(0.1, 10.0), 1.0)
