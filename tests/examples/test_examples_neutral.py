"""Neutral texts: their columns, their splits, and what is wrong with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradiend.errors import GradiendError
from gradiend.examples.neutral import neutral_texts
from gradiend.experiment import Columns

TEXTS = [
    {"text": "It rains.", "split": "val"},
    {"text": "Null is a word.", "split": "TEST"},
    {"text": "null", "split": "train"},
]
SLOTS = [
    {"masked": "A [MASK] runs.", "label": r"\1 dog", "split": "test"},
    {"masked": "[MASK] rains", "label": "null", "split": "validation"},
    {"masked": "It is [MASK]", "label": "so.", "split": "dev"},
]
Write = Callable[..., str]


def read(source: str | None, placeholder: str = "[MASK]", seed: int = 0, **columns: str) -> pd.DataFrame:
    return neutral_texts(source, Columns(**columns), placeholder, seed)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_texts_have_no_slot(suffix: str, write: Write) -> None:
    found = read(write(TEXTS, f"n.{suffix}"))
    assert list(found.columns) == ["id", "split", "text", "masked", "factual"]
    assert found["text"].tolist() == ["It rains.", "Null is a word.", "null"]
    assert found["split"].tolist() == ["validation", "test", "train"]
    assert found["id"].tolist() == [0, 1, 2] and str(found["id"].dtype) == "int64"
    assert found["masked"].isna().all() and found["factual"].isna().all()


def test_slots_are_filled_with_their_label_literally(write: Write) -> None:
    found = read(write(SLOTS, "n.csv"))
    assert found["text"].tolist() == [r"A \1 dog runs.", "null rains", "It is so."]
    assert found["masked"].tolist() == [row["masked"] for row in SLOTS]
    assert found["factual"].tolist() == [r"\1 dog", "null", "so."]


def test_columns_and_placeholder_can_have_other_names(write: Write) -> None:
    assert (
        read(write([{**row, "satz": row.pop("text")} for row in map(dict, TEXTS)]), text="satz")["text"][0]
        == "It rains."
    )
    rows = [{"m": "a .* b", "l": "x", "split": split} for split in ("val", "test")]
    assert read(write(rows), ".*", masked="m", label="l")["text"].tolist() == ["a x b", "a x b"]


def test_no_neutral_data_is_an_empty_table_with_the_same_columns(tmp_path: Path, write: Write) -> None:
    empty, full = read(None), read(write(SLOTS))
    assert len(empty) == 0 and empty.dtypes.to_dict() == full.dtypes.to_dict()


@pytest.mark.parametrize("count", [2, 7, 100])
def test_without_splits_a_seeded_half_is_validation_and_the_rest_test(count: int, write: Write) -> None:
    path = write([{"text": f"text {number}"} for number in range(count)])
    found = read(path, seed=1)
    assert found["split"].value_counts().to_dict() == {"validation": (count + 1) // 2, "test": count // 2}
    assert found.equals(read(path, seed=1))
    assert count < 100 or not found.equals(read(path, seed=2))


def test_a_split_column_of_the_examples_may_be_missing_in_the_neutral_texts(write: Write) -> None:
    found = read(write([{"text": "a"}, {"text": "b"}]), split="fold")
    assert sorted(found["split"]) == ["test", "validation"]


def test_neither_text_nor_slots_is_an_error_that_names_the_columns(write: Write) -> None:
    with pytest.raises(GradiendError) as caught:
        read(write([{"sentence": "It rains.", "masked": "[MASK]"}], "n.csv"))
    assert "n.csv: neutral texts need a column 'text', or 'masked' and 'label'" in str(caught.value)
    assert "there are 'sentence', 'masked'" in str(caught.value)


def test_a_missing_configured_text_column_is_an_error(write: Write) -> None:
    with pytest.raises(GradiendError, match=r"n\.csv: no column 'txt' \(did you mean 'text'\?\)"):
        read(write(TEXTS, "n.csv"), text="txt")


@pytest.mark.parametrize("text", ["", " ", None])
def test_a_missing_text_is_an_error_that_names_the_row(text: str | None, write: Write) -> None:
    with pytest.raises(GradiendError, match=r"n\.parquet: row 4: column 'text' is empty"):
        read(write([*TEXTS, {"text": text, "split": "test"}], "n.parquet"))


def test_a_slot_without_a_label_or_a_label_without_a_slot_is_an_error(write: Write) -> None:
    with pytest.raises(GradiendError, match=r"row 4: column 'label' is empty"):
        read(write([*SLOTS, {"masked": "[MASK] b", "split": "test"}]))
    with pytest.raises(GradiendError, match=r"row 4: 'no slot' has 0 slots"):
        read(write([*SLOTS, {"masked": "no slot", "label": "x", "split": "test"}]))


def test_a_slot_in_a_whole_text_is_an_error(write: Write) -> None:
    with pytest.raises(
        GradiendError, match=r"row 1: 'a \[MASK\] b' has a slot \[MASK\], but column 'text' is for whole"
    ):
        read(write([{"text": "a [MASK] b"}, {"text": "c"}]))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_missing_split_is_an_error_that_names_it(split: str, write: Write) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a", "split": one} for one in ("train", "validation", "test") if one != split
    ]
    with pytest.raises(GradiendError, match=rf"n\.csv: no row has the split '{split}' \(there: 'train', "):
        read(write(rows, "n.csv"))
