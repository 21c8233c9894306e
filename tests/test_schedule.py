"""Which row is used at which step."""

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_rows import FIRST, SECOND, table, transitions

from gradiend.errors import GradiendError
from gradiend.schedule import Schedule

CLASSES = (FIRST, SECOND)
COUNTS = st.integers(1, 6)


def epochs(schedule: Schedule, seed: int, count: int) -> list[list[int]]:
    """The rows of the first epochs."""
    size = schedule.steps_per_epoch
    rows = list(islice(schedule.rows(seed), size * count))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@given(COUNTS, COUNTS, st.integers(0, 9))
def test_a_round_is_one_row_of_each_transition_the_first_target_class_first(forth: int, back: int, seed: int) -> None:
    schedule = Schedule.of(table(transitions(forth, back)), CLASSES)
    assert schedule.steps_per_epoch == 2 * max(forth, back)
    for rows in epochs(schedule, seed, 3):
        assert all(row < forth for row in rows[::2])
        assert all(forth <= row < forth + back for row in rows[1::2])


@given(COUNTS, COUNTS, st.integers(0, 9))
def test_an_epoch_uses_every_row_and_cycles_the_shorter_list_in_one_order(forth: int, back: int, seed: int) -> None:
    schedule = Schedule.of(table(transitions(forth, back)), CLASSES)
    for rows in epochs(schedule, seed, 3):
        assert set(rows) == set(range(forth + back))
        for own, size in ((rows[::2], forth), (rows[1::2], back)):
            assert own == [own[i % size] for i in range(len(own))]
            assert len(set(own[:size])) == size


@given(COUNTS, COUNTS, st.lists(COUNTS, min_size=1, max_size=5), st.integers(0, 9))
def test_identity_classes_take_turns_over_rounds_and_epochs(
    forth: int, back: int, identity: list[int], seed: int
) -> None:
    counts = {f"class{i}": count for i, count in enumerate(identity)}
    rows = table(transitions(forth, back, **counts))
    schedule = Schedule.of(rows, CLASSES)
    used = [row for epoch in epochs(schedule, seed, 4) for row in epoch[2::3]]
    names = [rows["factual_class"][row] for row in used]
    assert names == [f"class{i % len(identity)}" for i in range(len(used))]


def test_an_identity_class_is_cycled_inside_an_epoch_before_a_row_is_used_again() -> None:
    schedule = Schedule.of(table(transitions(9, 2, neuter=4)), CLASSES)
    for rows in epochs(schedule, 0, 3):
        assert sorted(Counter(rows[2::3]).values()) == [2, 2, 2, 3]


def test_epochs_and_seeds_shuffle_differently_and_a_seed_repeats_itself() -> None:
    schedule = Schedule.of(table(transitions(20, 20)), CLASSES)
    first, second = epochs(schedule, 3, 2)
    assert first != second
    assert first != epochs(schedule, 4, 1)[0]
    assert [first, second] == epochs(schedule, 3, 2)


def test_the_order_of_the_target_classes_decides_which_transition_comes_first() -> None:
    rows = table(transitions(3, 3))
    assert next(Schedule.of(rows, CLASSES).rows(0)) < 3
    assert next(Schedule.of(rows, CLASSES[::-1]).rows(0)) >= 3


def test_a_missing_transition_is_an_error_that_names_it_and_what_there_is() -> None:
    with pytest.raises(GradiendError, match=r"none of the transition male -> female \(there are: female -> male\)"):
        Schedule.of(table(transitions(2, 0)), CLASSES)
    with pytest.raises(GradiendError, match=r"none of the transition female -> male \(there are: none\)"):
        Schedule.of(table([]), CLASSES)


def test_a_row_of_another_transition_is_an_error_that_names_it() -> None:
    with pytest.raises(GradiendError, match="female -> neuter: not a transition of the target classes"):
        Schedule.of(table([*transitions(2, 2), (FIRST, "neuter")]), CLASSES)
