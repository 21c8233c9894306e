"""The rows of a data source, checked: every later error can name the file and the row."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype

from gradiend.errors import GradiendError
from gradiend.examples.data_sets import read_data_set
from gradiend.examples.files import table_file
from gradiend.examples.splits import split_names
from gradiend.examples.tables import (
    TEXT,
    Table,
    complete_texts,
    first,
    has_column,
    read_file,
    require_columns,
    shortened,
    texts,
)
from gradiend.experiment import Columns

_DEFAULT = Columns()


@dataclass(frozen=True)
class Source:
    """All rows of a source, one file after the other; a row's id is its place in them, from 0.

    `rows` has the columns `masked, factual, factual_class, alternative, alternative_class` (the last two
    missing where not given) and, if the source has splits, `split`; classes are those of the data. `words` has a
    column for every class of which the tables give a word for each text, and a line for each row. Labels, alternatives,
    words and classes are without white space around them; `warnings` say how often there was some.
    """

    rows: pd.DataFrame
    names: list[str]
    starts: list[int]
    warnings: list[str] = field(default_factory=list)
    words: pd.DataFrame = field(default_factory=pd.DataFrame)

    def where(self, row: int) -> str:
        """`"file: row 1"` for the first row of a file."""
        table = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"{self.names[table]}: row {row - self.starts[table] + 1}"


def read_tables(source: str, columns: Columns, classes: Collection[str] = ()) -> list[Table]:
    """The tables of one source, with the columns that are named like `classes`, too. Raises `GradiendError`."""
    path = table_file(source)
    wanted = {*columns.__dict__.values(), *classes}
    return [read_file(path, wanted)] if path else read_data_set(source, wanted)


def read_source(
    source: str | Mapping[str, str], columns: Columns, placeholder: str, whole_texts: bool | None = False
) -> Source:
    """Read and check all rows of a source: a table file, `{class: table file}` or a data set.

    A table of one class may have its words in a column for every class, named like it, instead of a column of labels.
    `whole_texts`: the examples are texts without a slot, for classifiers; None: where a table has texts and no masked
    ones. Their class is by default their label. Raises `GradiendError` on missing columns, empty cells, a text without
    exactly one placeholder (or, whole, with one) and unknown splits.
    """
    named: list[tuple[str | None, str]] = [(None, source)] if isinstance(source, str) else list(source.items())
    if not named:
        raise GradiendError("data.source: {} names no class: give {class: table file}, or one table")
    classes = [name for name, _ in named if name is not None]
    tables = [(name, table) for name, one in named for table in read_tables(one, columns, classes)]
    parts = [_rows(table, name, columns, placeholder, whole_texts) for name, table in tables]
    with_splits = ["split" in part for part in parts]
    if any(with_splits) and not all(with_splits):
        bare = tables[with_splits.index(False)][1].name
        raise GradiendError(f"{bare}: no column '{columns.split}', which other files have: give it in all or in none")
    starts = np.cumsum([0, *(len(part) for part in parts)])[:-1].tolist()
    rows = pd.concat(parts, ignore_index=True)
    words = pd.concat([_words(table, name, classes, columns) for name, table in tables], ignore_index=True)
    words_called = {name: name for name in map(str, words)}
    warnings = [*_strip_words(rows, _labels_and_alternatives(columns)), *_strip_words(words, words_called)]
    return Source(rows, [table.name for _, table in tables], starts, warnings, words)


def masked_texts(table: Table, column: str, placeholder: str) -> "pd.Series[str]":
    """The texts of a column, each with exactly one placeholder, else `GradiendError`."""
    found = complete_texts(table, column, f"give a text with {placeholder} at the slot")
    slots = found.str.count(re.escape(placeholder))
    position = first(slots != 1)
    if position is not None:
        raise GradiendError(
            f"{table.where(position)}: {shortened(found.iloc[position])} has {int(slots.iloc[position])} slots: "
            f"a text needs exactly one {placeholder} (data.mask_placeholder)"
        )
    return found


def row_splits(table: Table, column: str, default: str) -> "pd.Series[str] | None":
    """Each row's split, by the split column, else by the data set's own; None where there is neither."""
    if has_column(table, column, default):
        return split_names(complete_texts(table, column, "give train, validation or test"), table.where)
    if table.split is None:
        return None
    given = pd.Series(table.split, index=table.cells.index, dtype=TEXT)
    return split_names(given, table.where)


def _rows(table: Table, name: str | None, columns: Columns, placeholder: str, whole_texts: bool | None) -> pd.DataFrame:
    """The checked rows of one table; `name` is the class of the rows where they do not say it."""
    if whole_texts or (whole_texts is None and {columns.masked, columns.text} & set(table.columns) == {columns.text}):
        return _rows_of_whole_texts(table, name, columns, placeholder)
    classed = name is None or columns.label_class in table.columns
    label = name if name is not None and _has_words(table, name, columns) else columns.label
    require_columns(table, [columns.masked, label, *([columns.label_class] if classed else [])])
    masked = masked_texts(table, columns.masked, placeholder)
    factual = complete_texts(table, label, f"give the token that stands at {placeholder}")
    rows = {
        "masked": masked,
        "factual": factual if label == columns.label else factual.str.strip(),  # counted with the words
        "factual_class": _classes(table, name, columns)
        if classed
        else pd.Series(name, index=table.cells.index, dtype=TEXT),
        **_alternatives(table, columns),
    }
    return _with_splits(rows, table, columns)


def _rows_of_whole_texts(table: Table, name: str | None, columns: Columns, placeholder: str) -> pd.DataFrame:
    """The checked rows of one table of texts with labels, which may be numbers."""
    require_columns(table, [columns.text, columns.label])
    numbers = [c for c in (columns.label, columns.alternative) if c in table.cells and is_integer_dtype(table.cells[c])]
    table = replace(table, cells=table.cells.assign(**{column: table.cells[column].astype(str) for column in numbers}))
    text = complete_texts(table, columns.text, "give a text")
    position = first(text.str.contains(placeholder, regex=False))
    if position is not None:
        raise GradiendError(
            f"{table.where(position)}: {shortened(text.iloc[position])} has a slot {placeholder}: a classifier reads "
            f"whole texts; texts with a slot go into the column '{columns.masked}'"
        )
    label = complete_texts(table, columns.label, "give the label of the text: a name or number of the base model's")
    classes = label if name is None else pd.Series(name, index=text.index, dtype=TEXT)
    if columns.label_class in table.columns:
        classes = _classes(table, name, columns)
    rows = {"masked": text, "factual": label, "factual_class": classes, **_alternatives(table, columns)}
    return _with_splits(rows, table, columns)


def _classes(table: Table, name: str | None, columns: Columns) -> "pd.Series[str]":
    """The column of classes, which must be the class that `data.source` gives the file, if it does."""
    classes = complete_texts(table, columns.label_class, "give the class of the label")
    position = None if name is None else first(classes.str.strip() != name.strip())
    if name is not None and position is not None:
        raise GradiendError(
            f"{table.where(position)}: column '{columns.label_class}' is {shortened(classes.iloc[position])}, and "
            f"data.source says that the file is of class {shortened(name)}: make them the same, or "
            "name another column in data.columns.label_class"
        )
    return classes


def _alternatives(table: Table, columns: Columns) -> "dict[str, pd.Series[Any]]":
    return {
        "alternative": _optional(table, columns.alternative, _DEFAULT.alternative),
        "alternative_class": _optional(table, columns.alternative_class, _DEFAULT.alternative_class),
    }


def _with_splits(rows: "dict[str, pd.Series[Any]]", table: Table, columns: Columns) -> pd.DataFrame:
    splits = row_splits(table, columns.split, _DEFAULT.split)
    return pd.DataFrame(rows if splits is None else {**rows, "split": splits})


def _has_words(table: Table, name: str | None, columns: Columns) -> bool:
    """Whether the words of a table of the class `name` are in columns that are named like classes."""
    return name in table.columns and columns.label == _DEFAULT.label and columns.label not in table.columns


def _words(table: Table, name: str | None, classes: Sequence[str], columns: Columns) -> pd.DataFrame:
    """The words of all classes for each row of the table, where it has a column for each."""
    here = [one for one in classes if one in table.columns] if _has_words(table, name, columns) else []
    return pd.DataFrame({one: texts(table, one) for one in here}, index=table.cells.index)


def _labels_and_alternatives(columns: Columns) -> dict[str, str]:
    return {
        "factual": columns.label,
        "factual_class": columns.label_class,
        "alternative": columns.alternative,
        "alternative_class": columns.alternative_class,
    }


def _strip_words(rows: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """Strip columns of `rows`, which `names` calls: with white space words and classes would be other ones."""
    warnings = []
    for word, column in names.items():
        bare = rows[word].str.strip()
        count = int((bare != rows[word])[rows[word].notna()].sum())
        if count:
            warnings.append(f"column '{column}': white space around {count} cells is left out")
        rows[word] = bare
    return warnings


def _optional(table: Table, column: str, default: str) -> "pd.Series[Any]":
    if has_column(table, column, default):
        return texts(table, column)
    return pd.Series(np.nan, index=table.cells.index, dtype=TEXT)
