"""Data given in memory -> files that a config can name.

A file's name has the digest of its content: two trainers in one folder do not change each other's data.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow

from gradiend.errors import GradiendError
from gradiend.files import digest_bytes, file_name, replacing

Table = pd.DataFrame | str | os.PathLike[str]


def as_source(data: Table | Mapping[str, Table], folder: Path) -> str | dict[str, str]:
    """What `data.source` of a config says: a path or an id as it is; tables in memory as Parquet files in `folder`.

    The same table makes the same file. Raises `GradiendError` on anything else, and on cells that no file can hold.
    """
    if isinstance(data, Mapping):
        return {str(name): _named(one, folder, file_name(str(name))) for name, one in data.items()}
    return _named(data, folder, "examples")


def as_neutral(data: Table | None, folder: Path) -> str | None:
    """The same for neutral texts."""
    return None if data is None else _named(data, folder, "neutral")


def _named(data: Table, folder: Path, name: str) -> str:
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
            f"data: a table that cannot be written to {folder} ({reason}): keep columns of text"
        ) from error
    path = folder / f"{name}-{digest_bytes(content.getvalue())[:12]}.parquet"
    if not (path.is_file() and path.read_bytes() == content.getvalue()):
        with replacing(path) as temporary:
            temporary.write_bytes(content.getvalue())
    return str(path)
