"""Data given in memory -> files that a config can name."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow

from gradiend.errors import GradiendError
from gradiend.files import file_name, replacing

Table = pd.DataFrame | str | os.PathLike[str]


def as_source(data: Table | Mapping[str, Table], folder: Path) -> str | dict[str, str]:
    """What `data.source` of a config says: a path or an id as it is; tables in memory as Parquet files in `folder`.

    The same table makes the same bytes. Raises `GradiendError` on anything else, and on cells that no file can hold.
    """
    if isinstance(data, Mapping):
        return {str(name): _named(one, folder / f"{file_name(str(name))}.parquet") for name, one in data.items()}
    return _named(data, folder / "examples.parquet")


def as_neutral(data: Table | None, folder: Path) -> str | None:
    """The same for neutral texts."""
    return None if data is None else _named(data, folder / "neutral.parquet")


def _named(data: Table, path: Path) -> str:
    if isinstance(data, str | os.PathLike):
        return os.fspath(data)
    if not isinstance(data, pd.DataFrame):
        kind = type(data).__name__
        raise GradiendError(
            f"data: a {kind} is wrong: should be a DataFrame, a path, an id, or {{class: one of these}}"
        )
    try:
        content = io.BytesIO()
        data.set_axis(data.columns.map(str), axis="columns").to_parquet(content, index=False)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise GradiendError(
            f"data: a table that cannot be written to {path} ({reason}): keep columns of text"
        ) from error
    if not (path.is_file() and path.read_bytes() == content.getvalue()):
        with replacing(path) as temporary:
            temporary.write_bytes(content.getvalue())
    return str(path)
