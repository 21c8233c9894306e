"""Parquet files, complete or absent. Apart from `gradiend.files`, because the workflow plans without pandas."""

from pathlib import Path

import pandas as pd

from gradiend.errors import GradiendError
from gradiend.files import replacing


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet file without the index."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file; a missing or broken one is a `GradiendError` that names it."""
    try:
        return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise GradiendError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise GradiendError(f"{path}: not a readable Parquet file ({error})") from error
