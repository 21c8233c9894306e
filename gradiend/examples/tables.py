"""Table files -> their cells, as text: nothing is converted, and only empty cells are missing."""

import csv
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv
import pyarrow.parquet

from gradiend.errors import GradiendError, did_you_mean, visible

TEXT = pd.StringDtype(na_value=np.nan)
Cells = tuple[list[str], pd.DataFrame]
_LONE_SURROGATE = re.compile("[\\ud800-\\udfff]")  # the pairs that JSON may be written with are characters when read
_BYTES_AT_ONCE = 1 << 24  # of separated values; no row can be longer


@dataclass(frozen=True)
class Table:
    """One table as it is stored. `cells` has the wanted ones of its `columns`."""

    name: str
    columns: list[str]
    cells: pd.DataFrame
    split: str | None = None

    def where(self, position: int) -> str:
        """`"file: row 1"` for position 0: rows are counted from 1, without the header."""
        return f"{self.name}: row {position + 1}"


def read_file(path: Path, wanted: Collection[str]) -> Table:
    """Read the `wanted` columns of a table file, those of them that are there.

    Raises `GradiendError` where the file is empty, not UTF-8 or not what its suffix says.
    """
    if path.stat().st_size == 0:
        raise GradiendError(f"{path}: the file is empty: it needs a header and rows")
    try:
        columns, cells = _READERS[path.suffix.lower()](path, wanted)
    except (OSError, ValueError) as error:
        raise GradiendError(f"{path}: {_reason(error, path.suffix[1:].lower())}") from error
    twice = sorted({name for name in wanted if columns.count(name) > 1})
    if twice:
        raise GradiendError(f"{path}: column '{twice[0]}' is there twice: keep one of them")
    return Table(str(path), columns, cells)


def require_columns(table: Table, columns: Collection[str]) -> None:
    """Raise `GradiendError` unless the table has all the columns and at least one row."""
    missing = [f"'{name}'{_nearest(name, table.columns)}" for name in columns if name not in table.columns]
    if missing:
        there = ", ".join(map(shortened, table.columns))
        raise GradiendError(f"{table.name}: no column {', '.join(missing)}; there are {there}: set data.columns")
    if table.cells.empty:
        raise GradiendError(f"{table.name}: the table has no rows")


def has_column(table: Table, column: str, default: str) -> bool:
    """Whether an optional column is there. Raises `GradiendError` where its name is likely a mistake."""
    if column in table.columns:
        return True
    alike = [name for name in table.columns if name.strip().casefold() == column.casefold()]
    if column != default or alike:
        require_columns(table, [column])
    return False


def texts(table: Table, column: str) -> "pd.Series[str]":
    """The text of a column, missing where a cell is empty or blank. Raises `GradiendError` on other types."""
    cells = table.cells[column]
    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = cells.astype(cells.cat.categories.dtype)
    wrong = first(cells.notna() & ~cells.map(lambda cell: isinstance(cell, str))) if cells.dtype == object else None
    if wrong is not None:
        cell = cells.iloc[wrong]
        raise GradiendError(
            f"{table.where(wrong)}: column '{column}' holds {shortened(str(cell))} of type {type(cell).__name__}: "
            "it should be text (a string)"
        )
    kind = pd.api.types.infer_dtype(cells, skipna=True)
    if kind not in ("string", "empty") and not cells.isna().all():
        raise GradiendError(f"{table.name}: column '{column}' holds {kind} values: they should be text (strings)")
    text = cells.astype(TEXT)
    return text.where(text.str.strip() != "")


def complete_texts(table: Table, column: str, needed: str) -> "pd.Series[str]":
    """As `texts`, but a missing cell is a `GradiendError` that says what is `needed`."""
    found = texts(table, column)
    position = first(found.isna())
    if position is not None:
        raise GradiendError(f"{table.where(position)}: column '{column}' is empty: {needed}")
    return found


def first(wrong: "pd.Series[bool]") -> int | None:
    """The position of the first true value, None where there is none."""
    return int(wrong.to_numpy().argmax()) if wrong.any() else None


def shortened(text: str, length: int = 60) -> str:
    """The text in quotes, on one line, cut after `length` characters."""
    line = visible(text[: 10 * length])
    return f"'{line}'" if len(line) <= length else f"'{line[:length]}...'"


def _nearest(name: str, known: Collection[str]) -> str:
    hint = did_you_mean(name, known)
    return hint if hint.startswith(" (did") else ""


def _reason(error: Exception, kind: str) -> str:
    reason = " ".join(str(error).split())
    if isinstance(error, UnicodeDecodeError) or "UTF8" in reason:
        return "not UTF-8 text: convert it to UTF-8"
    # pyarrow counts the header
    reason = re.sub(r"Row #(\d+)", lambda found: f"row {int(found[1]) - 1}", reason)
    return f"not a readable {kind} file ({shortened(reason, 200)[1:-1]})"


def _read_separated(path: Path, wanted: Collection[str], separator: str) -> Cells:
    with path.open(encoding="utf-8-sig", newline="") as file:
        columns = next(filter(None, csv.reader(file, delimiter=separator)), [])
    here = [name for name in dict.fromkeys(columns) if name in wanted]
    table = pyarrow.csv.read_csv(
        path,
        pyarrow.csv.ReadOptions(use_threads=False, block_size=_BYTES_AT_ONCE),  # threads lose the row of an error
        pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            include_columns=here,
            column_types=dict.fromkeys(here, pyarrow.string()),
            null_values=[""],  # "NA", "null" and "None" are words
            strings_can_be_null=True,
        ),
    )
    return columns, table.to_pandas()


def _read_csv(path: Path, wanted: Collection[str]) -> Cells:
    return _read_separated(path, wanted, ",")


def _read_tsv(path: Path, wanted: Collection[str]) -> Cells:
    return _read_separated(path, wanted, "\t")


def _read_parquet(path: Path, wanted: Collection[str]) -> Cells:
    with pyarrow.parquet.ParquetFile(path) as file:
        columns = file.schema_arrow.names
        table = file.read([name for name in columns if name in wanted])
    table.validate(full=True)  # else what is no UTF-8 is an error wherever it is first looked at
    return columns, table.to_pandas(ignore_metadata=True)


def _read_lines(path: Path, wanted: Collection[str]) -> Cells:
    columns: dict[str, None] = {}
    cells: dict[str, list[Any]] = {name: [] for name in wanted}
    with path.open(encoding="utf-8-sig") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                row = _json_object(text, number)
                columns.update(dict.fromkeys(row))
                for name, column in cells.items():
                    column.append(row.get(name))
    return list(columns), pd.DataFrame({name: pd.Series(cells[name]) for name in columns if name in cells})


def _json_object(text: str, number: int) -> dict[str, Any]:
    """The object of a line. Raises `ValueError` that names the line."""
    needed = 'one object per line is needed, such as {"masked": "...", "label": "..."}'
    try:
        row = json.loads(text.rstrip())
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number}: {error.msg} at character {error.colno}: {needed}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise ValueError(f"line {number}: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number}: {needed}")
    half = _LONE_SURROGATE.search("".join(map(str, [*row, *row.values()]))) if "\\u" in text else None
    if half is not None:
        raise ValueError(f"line {number}: {visible(half[0])} is half a character: write both halves, or the character")
    return row


_READERS: dict[str, Callable[[Path, Collection[str]], Cells]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".jsonl": _read_lines,
    ".ndjson": _read_lines,
    ".json": _read_lines,
}
