"""Batches of the training examples."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from gradiend.examples.batches import batches

TARGETS = ["F", "M"]


def numbered(classes: list[str], size: int, seed: int = 0) -> pd.Series:
    index = np.arange(len(classes)) * 3 + 1
    return batches(pd.DataFrame({"factual_class": classes}, index=index), size, TARGETS, seed)


@budget(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("FMXY"), max_size=60), st.integers(1, 9), st.integers(0, 99))
def test_every_training_example_is_in_exactly_one_batch_of_one_transition(
    classes: list[str], size: int, seed: int
) -> None:
    found = numbered(classes, size, seed)
    members: dict[int, list[str]] = {}
    for number, name in zip(found, classes, strict=True):
        members.setdefault(int(number), []).append(name)
    assert found.notna().all() and sorted(members) == list(range(len(members)))
    order = []
    for number in sorted(members):
        assert len(set(members[number])) == 1
        order.append((members[number][0], len(members[number])))
    expected = []
    for name in [*TARGETS, *sorted(set(classes) - set(TARGETS))]:
        count = classes.count(name)
        expected += [(name, min(size, count - start)) for start in range(0, count, size)]
    assert order == expected


def test_which_examples_share_a_batch_is_drawn_from_the_seed() -> None:
    classes = ["F", "M"] * 50
    assert numbered(classes, 8, 1).equals(numbered(classes, 8, 1))
    assert not numbered(classes, 8, 1).equals(numbered(classes, 8, 2))
    first = set(np.flatnonzero(numbered(classes, 8, 1) == 0))
    assert first != set(range(0, 16, 2))


def test_identity_classes_do_not_change_the_batches_of_the_target_classes() -> None:
    classes = ["F", "M"] * 20
    assert numbered(classes, 8).tolist() == numbered([*classes, "X", "Y"], 8).tolist()[:40]


def test_batches_are_null_outside_train_and_whole_numbers_in_the_file(pronouns: Any, prepared: Any) -> None:
    examples = prepared(pronouns(6), train_batch_size=4).examples
    assert str(examples["batch"].dtype) == "Int64"
    assert (examples["batch"].isna() == (examples["split"] != "train")).all()
    assert examples["batch"].value_counts().to_dict() == {0: 4, 1: 2, 2: 4, 3: 2}
