"""Reading tables of every format, and what is wrong with them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from gradiend.errors import GradiendError
from gradiend.examples.sources import Source, read_source
from gradiend.experiment import Columns

ROWS = [
    {"masked": "A [MASK] b", "label": "NA", "label_class": "x", "split": "train"},
    {"masked": '“C” [MASK],\nd\t"e"', "label": "null", "label_class": "None", "split": " Val "},
    {"masked": "[MASK] ü", "label": "nan", "label_class": "x", "split": "TEST"},
]
Write = Callable[..., str]


def read(source: Any, **columns: str) -> Source:
    return read_source(source, Columns(**columns), "[MASK]")


def changed(row: int, **cells: Any) -> list[dict[str, Any]]:
    """`ROWS` with some cells of one row (from 1) changed."""
    return [{**one, **cells} if number == row else one for number, one in enumerate(ROWS, 1)]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl"])
def test_every_format_gives_the_same_cells_and_words_like_na_stay_words(suffix: str, write: Write) -> None:
    rows = read(write(ROWS, f"data.{suffix}")).rows
    assert rows["masked"].tolist() == [row["masked"] for row in ROWS]
    assert rows["factual"].tolist() == ["NA", "null", "nan"]
    assert rows["factual_class"].tolist() == ["x", "None", "x"]
    assert rows["split"].tolist() == ["train", "validation", "test"]
    assert rows["alternative"].isna().all() and rows["alternative_class"].isna().all()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl"])
def test_only_empty_cells_are_missing_alternatives(suffix: str, write: Write) -> None:
    table = pd.DataFrame(ROWS).assign(alternative=pd.Series(["None", "", None]), alternative_class="y")
    found = read(write(table, f"data.{suffix}")).rows["alternative"]
    assert found[0] == "None" and found[1:].isna().all()


def test_white_space_around_labels_and_classes_is_left_out_and_counted(write: Write) -> None:
    table = pd.DataFrame(ROWS).assign(alternative=[" he", "he", None], alternative_class=["y", "y\u00a0", "y "])
    table.loc[0, "label"] = "she "
    source = read(write(table.rename(columns={"label": "word"}), "data.csv"), label="word")
    assert source.rows["factual"].tolist() == ["she", "null", "nan"]
    assert source.rows["alternative"].tolist()[:2] == ["he", "he"] and source.rows["alternative"].isna()[2]
    assert set(source.rows["alternative_class"]) == {"y"}
    assert source.warnings == [
        "column 'word': white space around 1 cells is left out",
        "column 'alternative': white space around 1 cells is left out",
        "column 'alternative_class': white space around 2 cells is left out",
    ]


def test_columns_can_have_other_names(write: Write) -> None:
    names = {"masked": "text with slot", "label": "token", "label_class": "kind", "split": "fold"}
    source = read(write(pd.DataFrame(ROWS).rename(columns=names), "data.csv"), **names)
    assert source.rows["factual"].tolist() == ["NA", "null", "nan"]


def test_a_byte_order_mark_and_other_columns_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("masked,extra,label,label_class\na [MASK],7,x,y\n", encoding="utf-8-sig")
    assert read(str(path)).rows["masked"].tolist() == ["a [MASK]"]


def test_json_lines_may_have_a_byte_order_mark_blank_lines_and_pairs_of_surrogates(tmp_path: Path) -> None:
    lines = [json.dumps(row | {"masked": "\U0001f600 [MASK]"}) for row in ROWS]
    (tmp_path / "data.jsonl").write_text("\n\n".join(lines), encoding="utf-8-sig")
    rows = read(str(tmp_path / "data.jsonl")).rows
    assert rows["factual"].tolist() == ["NA", "null", "nan"]
    assert rows["masked"].tolist() == ["\U0001f600 [MASK]"] * 3


def test_a_cell_of_another_type_is_an_error_that_names_its_row(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in changed(3, label=7)]
    (tmp_path / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(
        GradiendError, match=r"data\.jsonl: row 3: column 'label' holds '7' of type int: it should be text"
    ):
        read(str(tmp_path / "data.jsonl"))


def test_per_class_files_get_their_class_from_the_key(write: Write) -> None:
    first = write(pd.DataFrame(ROWS).drop(columns="label_class"), "a.csv")
    source = read({"key": first, "other": write(pd.DataFrame(ROWS).assign(label_class=" other"), "b.parquet")})
    assert source.rows["factual_class"].tolist() == ["key", "key", "key", "other", "other", "other"]
    assert source.rows.index.tolist() == list(range(6))
    assert source.where(2) == f"{first}: row 3" and source.where(3).endswith("b.parquet: row 1")


@pytest.mark.parametrize("text", ["masked", "text"])
def test_a_per_class_file_whose_own_classes_are_others_is_an_error_that_names_the_row(text: str, write: Write) -> None:
    table = (
        pd.DataFrame(ROWS).rename(columns={"masked": text}).replace({text: {r"\[MASK\]": "it"}}, regex=text == "text")
    )
    with pytest.raises(
        GradiendError, match=r"a\.csv: row 2: column 'label_class' is 'None', and data\.source says .*'x'"
    ):
        read_source({"x": write(table, "a.csv")}, Columns(), "[MASK]", text == "text")


def test_per_class_files_must_agree_on_having_splits(write: Write) -> None:
    full = pd.DataFrame(ROWS).drop(columns="label_class")
    bare = write(full.drop(columns="split"), "bare.csv")
    with pytest.raises(GradiendError, match=r"bare\.csv: no column 'split', which other files have"):
        read({"a": write(full, "full.csv"), "b": bare})


@pytest.mark.parametrize("column", ["masked", "label", "label_class", "split"])
@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_empty_cell_is_an_error_that_names_file_row_and_column(column: str, empty: str, write: Write) -> None:
    for name in ("data.csv", "data.parquet"):
        with pytest.raises(GradiendError, match=rf"{name}: row 2: column '{column}' is empty: give "):
            read(write(changed(2, **{column: empty}), name))


@pytest.mark.parametrize(("text", "slots"), [("no slot", 0), ("[MASK] and [MASK]", 2), ("[mask]", 0)])
def test_a_text_without_exactly_one_slot_is_an_error_that_shows_it(text: str, slots: int, write: Write) -> None:
    with pytest.raises(GradiendError) as caught:
        read(write(changed(3, masked=text), "data.csv"))
    assert f"data.csv: row 3: '{text}' has {slots} slots: a text needs exactly one [MASK]" in str(caught.value)


def test_a_long_text_is_shortened_in_the_message(write: Write) -> None:
    with pytest.raises(GradiendError, match=r"row 1: 'long long [long ]*\.\.\.' has 0 slots"):
        read(write(changed(1, masked="long\n" * 100), "data.csv"))


def test_the_placeholder_is_taken_literally(write: Write) -> None:
    path = write([{"masked": "a .* b [MASK]", "label": "x", "label_class": "y"}])
    assert len(read_source(path, Columns(), ".*").rows) == 1


def test_what_cannot_be_seen_in_a_columns_name_is_shown(write: Write) -> None:
    for name, shown in ((" label", "' label'"), ("label\u200b", r"'label\\u200b'")):
        with pytest.raises(
            GradiendError, match=rf"no column 'label' \(did you mean {shown}\?\); there are .* {shown},"
        ):
            read(write(pd.DataFrame(ROWS).rename(columns={"label": name}), "data.csv"))


def test_missing_columns_are_named_with_those_there(write: Write) -> None:
    table = pd.DataFrame(ROWS).rename(columns={"label": "lable", "label_class": "zzz"})
    with pytest.raises(GradiendError) as caught:
        read(write(table, "data.csv"))
    message = str(caught.value)
    assert "data.csv: no column 'label' (did you mean 'lable'?), 'label_class'" in message
    assert "there are 'masked', 'lable', 'zzz', 'split'" in message


def test_a_configured_split_column_that_is_not_there_is_an_error_and_no_reason_to_draw_splits(write: Write) -> None:
    with pytest.raises(GradiendError, match=r"data\.csv: no column 'fold'"):
        read(write(ROWS, "data.csv"), split="fold")
    with pytest.raises(GradiendError, match=r"no column 'split' \(did you mean 'Split'\?\)"):
        read(write(pd.DataFrame(ROWS).rename(columns={"split": "Split"}), "data.csv"))


@pytest.mark.parametrize("column", ["masked", "label", "label_class", "alternative", "split"])
def test_numbers_in_a_text_column_are_an_error_that_names_file_and_column(column: str, write: Write) -> None:
    for name in ("data.parquet", "data.jsonl"):
        with pytest.raises(GradiendError, match=rf"{name}: column '{column}' holds integer values"):
            read(write(pd.DataFrame(ROWS).assign(**{column: 1}), name))


def test_numbers_in_a_csv_are_words(write: Write) -> None:
    assert read(write(changed(1, label="007"), "data.csv")).rows["factual"][0] == "007"


def test_a_column_that_was_an_index_is_a_column(tmp_path: Path) -> None:
    pd.DataFrame(ROWS).set_index("label").to_parquet(tmp_path / "data.parquet")
    assert read(str(tmp_path / "data.parquet")).rows["factual"].tolist() == ["NA", "null", "nan"]


def test_text_stored_as_categories_is_text(write: Write) -> None:
    table = pd.DataFrame(ROWS).astype({"label_class": "category"})
    assert read(write(table)).rows["factual_class"].tolist() == ["x", "None", "x"]


@pytest.mark.parametrize("split", ["dev", "VALID", " validation", "Val"])
def test_split_names_are_normalised(split: str, write: Write) -> None:
    assert read(write(changed(1, split=split), "data.csv")).rows["split"][0] == "validation"


def test_an_unknown_split_is_an_error_that_names_row_and_value(write: Write) -> None:
    with pytest.raises(GradiendError, match=r"row 3: unknown split 'tets' \(did you mean 'test'\?\)"):
        read(write(changed(3, split="tets"), "data.csv"))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl", "json", "ndjson"])
def test_an_empty_file_is_an_error(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"data.{suffix}").touch()
    with pytest.raises(GradiendError, match=rf"data\.{suffix}: the file is empty"):
        read(str(tmp_path / f"data.{suffix}"))


def _latin_parquet() -> bytes:
    """A Parquet file of which one text is no UTF-8, which nothing has to look at."""
    texts = pyarrow.array([b"a [MASK]", b"\xfc [MASK]"]).view(pyarrow.string())
    words = pyarrow.array(["x", "y"])
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"masked": texts, "label": words, "label_class": words}), file)
    return file.getvalue()


BROKEN = {
    "latin.csv": b"masked,label,label_class\nM\xfcller [MASK],x,y\n",
    "deep.csv": b"masked,label,label_class\n" + b"a [MASK],x,y\n" * 20_000 + b"M\xfcller [MASK],x,y\n",
    "latin.jsonl": b'{"masked": "M\xfcller"}\n',
    "wide.csv": b"masked,label,label_class\na [MASK],x,y,z\n",
    "later.csv": b"masked,label,label_class\na [MASK],x,y\na, b [MASK],x,y\n",
    "short.csv": b"masked,label,label_class\na [MASK],x,y\nb [MASK],x\n",
    "quote.csv": b'masked,label,label_class\n"a [MASK],x,y\n',
    "words.parquet": b"masked,label,label_class\n",
    "half.jsonl": b'{"masked": "a [MASK]", "lab\n',
    "later.jsonl": b'{"masked": "a [MASK]"}\n{"masked": \n',
    "number.jsonl": b'{"masked": ' + b"1" * 5000 + b"}",
    "deep.jsonl": b'{"masked": ' + b"[" * 100_000,
    "surrogate.jsonl": b'{"masked": "a [MASK] \\ud800 b", "label": "x", "label_class": "y"}',
    "array.json": b'[{"masked": "a [MASK]"}, {"masked": "b [MASK]"}]',
    "header.csv": b"masked,label,label_class\n",
    "blank.csv": b"\n\n",
    "twice.csv": b"masked,label,label_class,label\na [MASK],x,y,z\n",
    "lines.csv": b'masked,"la\nbel\x0c",label_class\na [MASK],x,y\n',
    "latin.parquet": _latin_parquet(),
}
REASONS = {
    "latin.csv": "not UTF-8",
    "deep.csv": "not UTF-8",
    "latin.jsonl": "not UTF-8",
    "wide.csv": "Expected 3 columns, got 4",
    "later.csv": "row 2: Expected 3 columns, got 4",
    "short.csv": "row 2: Expected 3 columns, got 2",
    "header.csv": "no rows",
    "twice.csv": "column 'label' is there twice",
    "lines.csv": "there are 'masked', 'la bel ', 'label_class'",
    "latin.parquet": "not UTF-8",
    "array.json": "line 1: one object per line",
    "half.jsonl": "line 1: ",
    "later.jsonl": "line 2: Expecting value at character 11: ",
    "number.jsonl": "line 1: ",
    "deep.jsonl": "line 1: ",
    "surrogate.jsonl": "line 1: \\ud800 is half a character",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(GradiendError) as caught:
        read(str(tmp_path / name))
    message = str(caught.value)
    assert name in message and REASONS.get(name, "not a readable") in message and "\n" not in message


def test_a_source_of_no_class_is_an_error() -> None:
    with pytest.raises(GradiendError, match="names no class"):
        read({})


# Whole texts, for classifiers

LABELLED = [
    {"text": "A good film", "label": "good", "split": "train"},
    {"text": "A bad film", "label": "bad", "split": "test"},
]


@pytest.mark.parametrize("whole", [True, None])
def test_whole_texts_need_no_slot_and_their_class_is_their_label(whole: bool | None, write: Write) -> None:
    rows = read_source(write(LABELLED), Columns(), "[MASK]", whole).rows
    assert rows["masked"].tolist() == ["A good film", "A bad film"]
    assert rows["factual"].tolist() == rows["factual_class"].tolist() == ["good", "bad"]
    classed = pd.DataFrame(LABELLED).assign(label_class=["up", "down"])
    assert read_source(write(classed), Columns(), "[MASK]", whole).rows["factual_class"].tolist() == ["up", "down"]
    by_file = read_source({"mine": write(LABELLED)}, Columns(), "[MASK]", whole).rows
    assert by_file["factual_class"].tolist() == ["mine", "mine"]


def test_labels_of_whole_texts_may_be_numbers(write: Write) -> None:
    numbers = pd.DataFrame(LABELLED).assign(label=[1, 0], alternative=[0, 1])
    rows = read_source(write(numbers, "data.parquet"), Columns(), "[MASK]", True).rows
    assert rows["factual"].tolist() == ["1", "0"] and rows["alternative"].tolist() == ["0", "1"]


def test_a_table_with_masked_texts_has_slots_unless_whole_texts_are_asked_for(write: Write) -> None:
    both = pd.DataFrame(ROWS).assign(text="whole")
    assert read_source(write(both), Columns(), "[MASK]", None).rows["masked"].tolist()[0] == "A [MASK] b"
    assert set(read_source(write(both), Columns(), "[MASK]", True).rows["masked"]) == {"whole"}
    with pytest.raises(GradiendError, match=r"no column 'masked'.*; there are 'text', 'label', 'split'"):
        read(write(LABELLED))


def test_a_whole_text_with_a_slot_is_an_error(write: Write) -> None:
    with pytest.raises(
        GradiendError, match=r"row 1: 'A \[MASK\] b' has a slot \[MASK\]: a classifier reads whole texts"
    ):
        read_source(write(pd.DataFrame(ROWS).rename(columns={"masked": "text"})), Columns(), "[MASK]", True)
