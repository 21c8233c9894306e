"""Merging and the runs of a matrix."""

import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend.config import RUN_ID
from gradiend.matrix import decides, merged, product, same

KEYS = st.text("abc", min_size=1, max_size=2)
TREES = st.recursive(st.integers(0, 3), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)
MAPPINGS = st.dictionaries(KEYS, TREES, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=50)
VALUES = SCALARS | st.lists(st.text(max_size=3))


def test_mappings_are_merged_and_anything_else_is_replaced() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3, "e": {"f": 1}}
    assert merged(base, {"a": {"c": [3]}, "d": {"x": 1}, "e": None}) == {
        "a": {"b": 1, "c": [3]},
        "d": {"x": 1},
        "e": None,
    }


@settings(max_examples=100, deadline=None, derandomize=True)
@given(MAPPINGS, MAPPINGS)
def test_merging_changes_neither_side_and_the_changes_win(base: dict[str, Any], changes: dict[str, Any]) -> None:
    before = repr((base, changes))
    result = merged(base, changes)
    assert repr((base, changes)) == before
    assert merged(result, changes) == result
    assert set(result) == set(base) | set(changes)


def test_the_product_has_every_combination_under_a_readable_id() -> None:
    runs = product({"training_arguments.seed": [0, 7], "training_arguments.learning_rate": [1e-05, "auto"]})
    assert list(runs) == [
        "seed=0-learning_rate=1e-05",
        "seed=0-learning_rate=auto",
        "seed=7-learning_rate=1e-05",
        "seed=7-learning_rate=auto",
    ]
    assert runs["seed=7-learning_rate=auto"] == {"training_arguments": {"seed": 7, "learning_rate": "auto"}}


def test_no_keys_are_no_runs() -> None:
    assert product({}) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0.1, "0.1"),
        ("models/bert-base/", "bert-base"),
        (["a", "b"], "a_b"),
        ({"topk": 0.1, "source": "diff"}, "topk_0.1_source_diff"),
    ],
)
def test_an_id_says_the_value(value: Any, text: str) -> None:
    assert list(product({"x": [value]})) == [f"x={text}"]


def test_equal_last_parts_of_keys_are_told_apart_by_more_of_the_key() -> None:
    runs = product({"training_arguments.source": ["diff"], "training_arguments.pre_prune_config.source": ["factual"]})
    assert list(runs) == ["training_arguments.source=diff-pre_prune_config.source=factual"]


def test_values_that_read_alike_get_different_ids() -> None:
    ids = list(product({"model": ["first/bert", "second/bert", "gpt2"]}))
    assert len(set(ids)) == 3
    assert re.fullmatch(r"model=bert\.[0-9a-f]{6}", ids[0])
    assert ids[2] == "model=gpt2"


def test_an_id_does_not_depend_on_the_order_of_the_values() -> None:
    values = ["first/bert", "second/bert", ""]
    assert set(product({"model": values})) == set(product({"model": values[::-1]}))


def test_one_and_one_point_zero_and_true_are_three_values() -> None:
    assert not same(1, 1.0)
    assert not same(1, True)
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert len(product({"topk": [1, 1.0, True]})) == 3


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.from_regex(r"[a-z]+(\.[a-z]+)?", fullmatch=True), st.lists(VALUES, max_size=3), max_size=3))
def test_every_combination_of_different_values_has_an_id_of_its_own(matrix: dict[str, list[Any]]) -> None:
    different = {
        key: [value for i, value in enumerate(values) if not any(same(value, other) for other in values[:i])]
        for key, values in matrix.items()
    }
    runs = product(different)
    assert len(runs) == (math.prod(map(len, different.values())) if different else 0)
    assert all(RUN_ID.fullmatch(run) for run in runs)


@pytest.mark.parametrize(
    ("value", "decided"),
    [
        ({}, False),
        ({"a": {}}, False),
        ({"a": {"c": 1}}, False),
        ({"a": {"b": None}}, True),
        ({"a": None}, True),
        (3, True),
    ],
)
def test_a_value_decides_what_it_holds_or_has_no_place_for(value: Any, decided: bool) -> None:
    assert decides(value, ["a", "b"]) is decided
