"""Parquet files, complete or absent. Apart from `gradiend.files`, because the workflow plans without pandas."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pyarrow import ArrowException, Schema

from gradiend.errors import GradiendError
from gradiend.files import replacing


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet file without the index, with checksums of its content."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file; a missing or broken one is a `GradiendError` that names it."""
    try:
        _require_names(pq.read_schema(path), path)
        return pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise GradiendError(f"{path}: no such file") from error
    except (OSError, ValueError, KeyError, TypeError, ArrowException) as error:  # pandas trusts its notes in the file
        reason = " ".join(str(error).split())
        raise GradiendError(f"{path}: not a readable Parquet file ({reason})") from error


def _require_names(schema: Schema, path: Path) -> None:
    """The names of columns have no checksum, but pandas notes them, and twice."""
    columns = (schema.pandas_metadata or {"columns": ()})["columns"]
    fields = [column["field_name"] for column in columns]
    names = [column["name"] or column["field_name"] for column in columns]  # an index may have no name
    if columns and not fields == names == schema.names:
        raise GradiendError(
            f"{path}: not a readable Parquet file (its columns are {schema.names}, {fields} and {names})"
        )
