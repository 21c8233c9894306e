"""Caps: prefixes of one seeded order, balanced where that is asked for."""

from collections import Counter
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend.caps import capped, capped_per_class, require_each_class
from gradiend.errors import GradiendError

CLASSES = st.lists(st.sampled_from("FMX"), max_size=30).map(lambda names: pd.Series(names, dtype=str))
CAPS = st.none() | st.integers(1, 40)
budget = settings(max_examples=100, deadline=None, derandomize=True)


def counts(classes: "pd.Series[str]", positions: np.ndarray) -> dict[str, int]:
    return dict(Counter(classes.iloc[positions]))


@budget
@given(CLASSES, st.integers(1, 40), st.integers(0, 40), st.booleans(), st.integers(0, 9))
def test_a_smaller_cap_is_a_part_of_a_larger_one(
    classes: "pd.Series[str]", cap: int, more: int, balanced: bool, seed: int
) -> None:
    small = capped(classes, cap, balanced=balanced, seed=seed)
    large = capped(classes, cap + more, balanced=balanced, seed=seed)
    whole = capped(classes, None, balanced=balanced, seed=seed)
    assert set(small) <= set(large) <= set(whole)


@budget
@given(CLASSES, CAPS, st.booleans(), st.integers(0, 9))
def test_positions_are_sorted_each_at_most_once_and_no_more_than_the_cap(
    classes: "pd.Series[str]", cap: int | None, balanced: bool, seed: int
) -> None:
    positions = capped(classes, cap, balanced=balanced, seed=seed)
    assert positions.dtype == np.int64
    assert positions.tolist() == sorted(set(positions.tolist()) & set(range(len(classes))))
    assert cap is None or len(positions) <= cap


@budget
@given(CLASSES, CAPS, st.integers(0, 9))
def test_balanced_takes_equally_many_of_each_class(classes: "pd.Series[str]", cap: int | None, seed: int) -> None:
    available = Counter(classes)
    each = min(available.values(), default=0)
    if cap is not None and available:
        each = min(each, cap // len(available))
    expected = dict.fromkeys(available, each) if each else {}
    assert counts(classes, capped(classes, cap, balanced=True, seed=seed)) == expected


@budget
@given(CLASSES, CAPS, st.integers(0, 9))
def test_unbalanced_takes_as_many_as_the_cap_allows(classes: "pd.Series[str]", cap: int | None, seed: int) -> None:
    expected = len(classes) if cap is None else min(cap, len(classes))
    assert len(capped(classes, cap, balanced=False, seed=seed)) == expected


@budget
@given(CLASSES, CAPS, st.integers(0, 9))
def test_a_cap_per_class_holds_for_each_class_by_itself(classes: "pd.Series[str]", cap: int | None, seed: int) -> None:
    positions = capped_per_class(classes, cap, seed=seed)
    expected = {name: count if cap is None else min(cap, count) for name, count in Counter(classes).items()}
    assert counts(classes, positions) == expected
    assert positions.tolist() == sorted(positions.tolist())


@budget
@given(CLASSES, st.integers(1, 9), st.integers(0, 9))
def test_a_smaller_cap_per_class_is_a_part_of_a_larger_one(classes: "pd.Series[str]", cap: int, seed: int) -> None:
    assert set(capped_per_class(classes, cap, seed=seed)) <= set(capped_per_class(classes, cap + 1, seed=seed))


@budget
@given(CLASSES, st.integers(1, 40), st.integers(0, 40), st.booleans(), st.integers(0, 9))
def test_rows_that_an_earlier_cap_left_out_change_nothing(
    classes: "pd.Series[str]", cap: int, more: int, balanced: bool, seed: int
) -> None:
    stored = classes.iloc[capped(classes, cap + more, balanced=balanced, seed=seed)]
    twice = stored.iloc[capped(stored, cap, balanced=balanced, seed=seed)]
    once = classes.iloc[capped(classes, cap, balanced=balanced, seed=seed)]
    if set(stored) == set(classes):  # else another number of classes shares the cap
        assert twice.index.tolist() == once.index.tolist()


@budget
@given(CLASSES, CAPS, st.booleans(), st.integers(0, 2**53), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(
    classes: "pd.Series[str]", cap: int | None, balanced: bool, seed: int, random: Random
) -> None:
    shuffled = classes.iloc[random.sample(range(len(classes)), len(classes))]
    one, other = (rows.iloc[capped(rows, cap, balanced=balanced, seed=seed)] for rows in (classes, shuffled))
    assert sorted(one.index) == sorted(other.index)


@pytest.mark.parametrize("balanced", [True, False])
def test_the_seed_draws_other_rows(balanced: bool) -> None:
    classes = pd.Series(list("FM" * 50))
    drawn = {tuple(capped(classes, 20, balanced=balanced, seed=seed)) for seed in range(20)}
    assert len(drawn) == 20


def test_every_row_is_drawn_about_equally_often() -> None:
    classes = pd.Series(list("FM" * 10))
    drawn = Counter(int(i) for seed in range(400) for i in capped(classes, 5, balanced=False, seed=seed))
    assert all(60 < drawn[i] < 140 for i in range(20))  # 100 on average, with a standard deviation of 9


@budget
@given(CLASSES, CAPS)
def test_a_balanced_cap_that_leaves_nothing_is_an_error_that_names_the_least(
    classes: "pd.Series[str]", cap: int | None
) -> None:
    if len(classes) == 0 or len(capped(classes, cap, balanced=True, seed=0)):
        require_each_class(classes, cap, "encoder_eval_max_size")
        return
    wanted = rf"encoder_eval_max_size: {cap} leaves no example of .*: should be at least {classes.nunique()}$"
    with pytest.raises(GradiendError, match=wanted):
        require_each_class(classes, cap, "encoder_eval_max_size")
