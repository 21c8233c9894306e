"""Neutral texts: whole texts, or texts with a slot and the label that belongs there."""

import re

import numpy as np
import pandas as pd

from gradiend.errors import GradiendError
from gradiend.examples.randomness import generator
from gradiend.examples.sources import masked_texts, read_tables, row_splits
from gradiend.examples.splits import require_splits
from gradiend.examples.tables import (
    TEXT,
    Table,
    complete_texts,
    first,
    has_column,
    require_columns,
    shortened,
)
from gradiend.experiment import Columns
from gradiend.tables import NEUTRAL

_COLUMNS = ("split", "text", "masked", "factual")
_DEFAULT = Columns()


def neutral_texts(source: str | None, columns: Columns, placeholder: str, seed: int) -> pd.DataFrame:
    """`id, split, text, masked, factual`: the last two missing where the source has no slots.

    The column `text`, else `masked` with `label` put back; without splits halves validation and test, drawn
    from the seed. No source: no rows. Raises `GradiendError` where the columns or a needed split are missing.
    """
    if source is None:
        return _numbered(pd.DataFrame({name: pd.Series(dtype=TEXT) for name in _COLUMNS}))
    tables = read_tables(source, columns)
    texts = _numbered(pd.concat([_texts(table, columns, placeholder) for table in tables], ignore_index=True))
    if texts["split"].isna().all():
        texts["split"] = _halves(len(texts), seed)
    require_splits(texts["split"], ("validation", "test"), f"neutral texts of {tables[0].name}")
    return texts


def copies_of_test(texts: pd.DataFrame) -> "pd.Series[bool]":
    """Which texts of validation test has, too. Raises `GradiendError` where validation has no other."""
    validation, test = texts["split"] == "validation", texts["split"] == "test"
    copies = validation & texts["text"].isin(texts.loc[test, "text"])
    if copies.any() and copies.sum() == validation.sum():
        raise GradiendError(
            f"data.neutral: all {copies.sum()} texts of validation are in test, too: give each split its own, for one "
            "chooses the rewritten model and the other judges it"
        )
    return copies


def _texts(table: Table, columns: Columns, placeholder: str) -> pd.DataFrame:
    whole = has_column(table, columns.text, _DEFAULT.text)
    found = _whole_texts(table, columns, placeholder) if whole else _filled_texts(table, columns, placeholder)
    splits = row_splits(table, columns.split, columns.split)  # the examples' file may be the one that has it
    return found.assign(split=pd.Series(np.nan, index=found.index, dtype=TEXT) if splits is None else splits)


def _whole_texts(table: Table, columns: Columns, placeholder: str) -> pd.DataFrame:
    require_columns(table, [columns.text])
    text = complete_texts(table, columns.text, "give a neutral text")
    position = first(text.str.contains(placeholder, regex=False))
    if position is not None:
        raise GradiendError(
            f"{table.where(position)}: {shortened(text.iloc[position])} has a slot {placeholder}, but column "
            f"'{columns.text}' is for whole texts: name it in data.columns.masked, with the column of its label"
        )
    nothing = pd.Series(np.nan, index=text.index, dtype=TEXT)
    return pd.DataFrame({"text": text, "masked": nothing, "factual": nothing})


def _filled_texts(table: Table, columns: Columns, placeholder: str) -> pd.DataFrame:
    if not {columns.masked, columns.label} <= set(table.columns):
        there = ", ".join(f"'{name}'" for name in table.columns)
        raise GradiendError(
            f"{table.name}: neutral texts need a column '{columns.text}', or '{columns.masked}' and '{columns.label}'; "
            f"there are {there}: set data.columns"
        )
    require_columns(table, [columns.masked, columns.label])
    masked = masked_texts(table, columns.masked, placeholder)
    label = complete_texts(table, columns.label, f"give the token that stands at {placeholder}")
    sides = masked.str.split(re.escape(placeholder), n=1, expand=True, regex=True)
    return pd.DataFrame({"text": sides[0] + label + sides[1], "masked": masked, "factual": label})


def _halves(size: int, seed: int) -> np.ndarray:
    order = generator(seed, "neutral").permutation(size)
    return np.where(order < (size + 1) // 2, "validation", "test")


def _numbered(texts: pd.DataFrame) -> pd.DataFrame:
    return texts[list(_COLUMNS)].astype(TEXT).assign(id=np.arange(len(texts)))[list(NEUTRAL)]
