"""Hugging Face data sets -> tables, one for each of their splits."""

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from gradiend.errors import GradiendError
from gradiend.examples.tables import Table


def read_data_set(source: str, wanted: Collection[str]) -> list[Table]:
    """Read the `wanted` columns of a data set: a Hugging Face id, `id:subset`, or a local folder.

    A folder is one of `save_to_disk` or one of data files that `load_dataset` reads. A data set of a single
    split has tables without a split. Raises `GradiendError` where there is no such data set.
    """
    from datasets.exceptions import DatasetsError

    try:
        with tempfile.TemporaryDirectory() as cache:
            splits = _load(source, cache)
            return [_table(source, name if len(splits) > 1 else None, part, wanted) for name, part in splits.items()]
    except (OSError, ValueError, DatasetsError) as error:
        kind = "data set folder" if Path(source).is_dir() else "file or folder of this name, and no data set to be had"
        reason = " ".join(f"{error} {error.__cause__ or ''}".split())
        raise GradiendError(f"{source}: no readable {kind} ({reason})") from error


def _load(source: str, cache: str) -> dict[str, Any]:
    """Split -> data set. Local folders go through a temporary cache: the files themselves are here."""
    import datasets

    folder = Path(source)
    if not folder.is_dir():
        name, _, subset = source.partition(":")
        loaded = datasets.load_dataset(name, subset or None)
    elif (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        loaded = datasets.load_from_disk(source)
    else:
        loaded = datasets.load_dataset(source, cache_dir=cache, **_options(folder))
    return dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}


def _options(folder: Path) -> dict[str, Any]:
    """For CSV files, that "NA", "null" and "None" are words; other kinds do not know the options."""
    separated = any(file.suffix.lower() in (".csv", ".tsv") for file in folder.rglob("*"))
    return {"keep_default_na": False, "na_values": [""]} if separated else {}


def _table(source: str, split: str | None, part: Any, wanted: Collection[str]) -> Table:
    name = f"{source} (split '{split}')" if split else source
    cells = part.select_columns([column for column in part.column_names if column in wanted]).to_pandas()
    for column in cells.columns:
        cells[column] = _named(cells[column], part.features[column])
    return Table(name, list(part.column_names), cells, split)


def _named(cells: "pd.Series[Any]", feature: Any) -> "pd.Series[Any]":
    """The names of a `ClassLabel`'s numbers (-1 is missing); other cells as they are."""
    import datasets

    return cells.map(dict(enumerate(feature.names))) if isinstance(feature, datasets.ClassLabel) else cells
