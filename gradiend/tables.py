"""Parquet files, complete or absent. Apart from `gradiend.files`, because the workflow plans without pandas."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pandas.api.types import is_integer_dtype
from pyarrow import ArrowException, Schema

from gradiend.errors import GradiendError
from gradiend.files import replacing

EXAMPLES = ("id", "split", "masked", "factual", "alternative", "factual_class", "alternative_class", "batch")
NEUTRAL = ("id", "split", "text", "masked", "factual")
ENCODINGS = ("example_id", "split", "factual_class", "alternative_class", "label", "encoded")
GRID = (
    "target_class", "direction", "feature_factor", "learning_rate", "refined", "split", "lms", "lms_se", "passes",
)  # fmt: skip
PREDICTIONS = ("target_class", "direction", "example_id", "rank", "token", "probability")
TRIALS = ("learning_rate", "factor", "seed", "correlation", "loss", "converged", "reason")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet file without the index, with checksums of its content."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)


def read_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a Parquet file; a missing or broken one, or one without these columns, is a `GradiendError` that names it.

    The ids of examples and neutral texts, the column `id`, must be integers, each another one.
    """
    try:
        _require_names(pq.read_schema(path), path)
        table = pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise GradiendError(f"{path}: no such file") from error
    except (OSError, ValueError, KeyError, TypeError, ArrowException) as error:  # pandas trusts its notes in the file
        reason = " ".join(str(error).split())
        raise GradiendError(f"{path}: not a readable Parquet file ({reason})") from error
    for name in columns:
        if name not in table:
            there = ", ".join(map(str, table))
            raise GradiendError(f"{path}: has no column '{name}' (it has {there}); delete it and run again")
    if "id" in columns and len(table) and not (is_integer_dtype(table["id"]) and table["id"].is_unique):
        raise GradiendError(f"{path}: its ids should be integers, each another one; delete it and run again")
    return table


def read_examples(path: Path) -> pd.DataFrame:
    """The examples of a run. Raises `GradiendError` where there are none, too."""
    table = read_table(path, EXAMPLES)
    if table.empty:
        raise GradiendError(f"{path}: has no examples; delete it and run again")
    return table


def _require_names(schema: Schema, path: Path) -> None:
    """The names of columns have no checksum, but pandas notes them, and twice."""
    columns = (schema.pandas_metadata or {"columns": ()})["columns"]
    fields = [column["field_name"] for column in columns]
    names = [column["name"] or column["field_name"] for column in columns]  # an index may have no name
    if columns and not fields == names == schema.names:
        raise GradiendError(
            f"{path}: not a readable Parquet file (its columns are {schema.names}, {fields} and {names})"
        )
