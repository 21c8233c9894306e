"""Splits: copies across them, missing ones, and drawing them."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from gradiend.errors import GradiendError
from gradiend.examples.drawing import draw_splits
from gradiend.examples.splits import SPLITS, without_copies

Pronouns = Callable[..., list[dict[str, Any]]]
COPY = st.tuples(st.sampled_from(SPLITS), st.sampled_from("abc"), st.sampled_from("xy"))


@budget(max_examples=100, deadline=None)
@given(st.lists(COPY, min_size=1, max_size=30))
def test_of_copies_in_several_splits_only_those_of_the_last_split_stay(rows: list[tuple[str, str, str]]) -> None:
    examples = pd.DataFrame(rows, columns=["split", "masked", "factual"])
    kept, dropped = without_copies(examples)
    last = {(text, word): max(SPLITS.index(s) for s, t, w in rows if (t, w) == (text, word)) for _, text, word in rows}
    stay = [number for number, (split, *key) in enumerate(rows) if SPLITS.index(split) == last[key[0], key[1]]]
    assert kept.index.tolist() == stay
    expected = {
        number: f"{split}: same text and label in {SPLITS[last[text, word]]}"
        for number, (split, text, word) in enumerate(rows)
        if number not in stay
    }
    assert dropped.to_dict() == expected


def test_copies_are_counted_and_named_in_the_summary(pronouns: Pronouns, prepared: Any) -> None:
    rows = pronouns()
    female = [row for row in rows if row["label_class"] == "female"]
    copies = [{**female[-1], "split": "train"}, {**female[-1], "split": "train"}, {**female[-1]}, {**female[0]}]
    summary = prepared([*rows, *copies]).summary
    assert summary["dropped"] == {"train: same text and label in test": 2}
    assert summary["copies"] == {"train": 1, "validation": 0, "test": 1}
    (warning,) = summary["warnings"]
    assert warning.startswith("2 dropped from train: same text and label in test (first: /")
    assert warning.endswith("data.parquet: row 31)")


@pytest.mark.parametrize("split", SPLITS)
def test_a_missing_split_is_an_error_that_names_it_and_those_there(
    split: str, pronouns: Pronouns, prepared: Any
) -> None:
    others = [one for one in SPLITS if one != split]
    with pytest.raises(GradiendError) as caught:
        prepared(pronouns(5, others))
    there = ", ".join(f"'{one}'" for one in others)
    assert f"data.parquet: no row has the split '{split}' (there: {there})" in str(caught.value)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ["female", "male"])
def test_a_split_without_a_transition_is_an_error_that_names_both(
    split: str, name: str, pronouns: Pronouns, prepared: Any
) -> None:
    rows = [row for row in pronouns() if (row["split"], row["label_class"]) != (split, name)]
    other = {"female": "male", "male": "female"}[name]
    with pytest.raises(GradiendError, match=f"split '{split}': no example of the transition {name} -> {other} "):
        prepared(rows)


def words(each: int, count: int, *, shuffled: bool = False) -> pd.DataFrame:
    """Examples of `count` words per class, each with one alternative, or with any."""
    return pd.DataFrame(
        [
            {
                "masked": f"{name} {word} {number} [MASK]",
                "factual": f"{name}{word}".title() if number % 2 else f"{name}{word}",
                "alternative": f"{other}{(word * 7 + number) % count if shuffled else word}",
                "factual_class": name,
            }
            for name, other in (("a", "b"), ("b", "a"))
            for word in range(count)
            for number in range(each)
        ]
    )


def drawn(examples: pd.DataFrame, split_by: str, seed: int = 0) -> tuple[pd.Series, list[str]]:
    return draw_splits(examples, split_by, ["a", "b"], seed)


@pytest.mark.parametrize("each", [3, 10, 57, 200])
def test_drawn_by_row_every_class_is_split_80_10_10(each: int) -> None:
    examples = words(each, 1)
    splits, warnings = drawn(examples, "row")
    test, held_out = max(each // 10, 1), max(each // 5, 2)
    for name in ("a", "b"):
        counts = splits[examples["factual_class"] == name].value_counts().to_dict()
        assert counts == {"train": each - held_out, "validation": held_out - test, "test": test}
    assert warnings == []


def test_drawn_splits_depend_on_the_seed_only() -> None:
    examples = words(50, 2)
    assert drawn(examples, "row", 3)[0].equals(drawn(examples, "row", 3)[0])
    assert not drawn(examples, "row", 3)[0].equals(drawn(examples, "row", 4)[0])


def test_drawn_by_row_copies_of_an_example_stay_together() -> None:
    examples = pd.concat([words(10, 2)] * 5, ignore_index=True)
    examples["split"] = drawn(examples, "row")[0]
    assert len(without_copies(examples)[0]) == len(examples)


@budget(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 9)), min_size=6, max_size=60),
    st.integers(0, 99),
)
def test_drawn_by_target_no_surface_form_is_in_two_splits(rows: list[tuple[str, int, int]], seed: int) -> None:
    other = {"a": "b", "b": "a"}
    examples = pd.DataFrame(
        {
            "masked": [f"{number} [MASK]" for number in range(len(rows))],
            "factual": [f"{name}{word}" for name, word, _ in rows],
            "alternative": [f"{other[name]}{word}" for name, _, word in rows],
            "factual_class": [name for name, _, _ in rows],
        }
    )
    try:
        splits, warnings = drawn(examples, "target", seed)
    except GradiendError:
        assume(False)
    columns = ["factual"] if warnings else ["factual", "alternative"]
    forms = {split: set(examples.loc[splits == split, columns].to_numpy().ravel()) for split in SPLITS}
    assert all(forms.values())
    assert sum(map(len, forms.values())) == len(set.union(*forms.values()))


def test_drawn_by_target_words_and_their_alternatives_are_held_out_whatever_their_case() -> None:
    examples = words(4, 20)
    splits, warnings = drawn(examples, "target")
    forms = {
        split: {form.lower() for form in examples.loc[splits == split, ["factual", "alternative"]].to_numpy().ravel()}
        for split in SPLITS
    }
    assert warnings == []
    assert {split: len(found) for split, found in forms.items()} == {"train": 32, "validation": 4, "test": 4}
    assert not (
        forms["train"] & forms["test"] | forms["train"] & forms["validation"] | forms["validation"] & forms["test"]
    )


def test_drawn_by_target_with_interlinked_alternatives_only_factual_words_are_held_out_and_it_says_so() -> None:
    examples = words(20, 20, shuffled=True)
    splits, warnings = drawn(examples, "target")
    forms = {split: set(examples.loc[splits == split, "factual"].str.lower()) for split in SPLITS}
    assert sum(map(len, forms.values())) == 40
    assert len(warnings) == 1 and "only the factual forms" in warnings[0]


def test_a_class_with_too_few_words_cannot_be_split_by_target() -> None:
    with pytest.raises(
        GradiendError, match=r"split_by: target: .* at least three .*'a' has 2, 'b' has 2.*split_by: row"
    ):
        drawn(words(30, 1), "target")


def test_data_without_a_split_column_is_split_as_configured(pronouns: Pronouns, prepared: Any) -> None:
    rows = pd.DataFrame(pronouns(10)).drop(columns="split")
    rows["label"] = [f"{label}{number % 5}" for number, label in enumerate(rows["label"])]
    rows["alternative"] = [f"{form}{number % 5}" for number, form in enumerate(rows["alternative"])]
    by_word = prepared(rows, split_by="target").examples
    assert by_word.groupby("factual")["split"].nunique().max() == 1
    by_row = prepared(rows, split_by="row").examples
    assert by_row["split"].value_counts().to_dict() == {"train": 48, "validation": 6, "test": 6}
