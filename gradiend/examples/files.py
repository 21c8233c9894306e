"""Which local files a data source reads. Imports nothing heavy: the workflow asks while it plans."""

import re
from collections.abc import Mapping
from pathlib import Path

from gradiend.errors import GradiendError, did_you_mean

DEMO = "demo"
SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json")
_OTHER_SUFFIXES = (".txt", ".xls", ".xlsx", ".ods", ".gz", ".zip", ".pq", ".arrow", ".feather", ".pkl", ".pickle")
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(:\w[\w.-]*)?")  # with a subset


def data_files(source: str | Mapping[str, str] | None, key: str = "data.source") -> list[Path]:
    """The local files that a source reads: all of `{class: path}`, all of a folder (sorted), else the one.

    None for the demo, a Hugging Face id or no source. Raises `GradiendError` where a path names nothing; `key` is
    the setting that names the source.
    """
    if source is None:
        return []
    if isinstance(source, Mapping):
        return [file for name, one in source.items() for file in data_files(one, f"{key}.{name}")]
    if Path(source).is_dir():
        return sorted(file for file in Path(source).rglob("*") if file.is_file())
    try:
        file = table_file(source)
    except GradiendError as error:
        raise GradiendError(f"{key}: {error}") from error
    return [file] if file else []


def table_file(source: str) -> Path | None:
    """The table file that a source names; None for a folder, a Hugging Face id and the demo.

    Raises `GradiendError` where it looks like a table file but is not there, or is of a wrong kind.
    """
    path = Path(source)
    if source == DEMO or path.is_dir() or not (path.is_file() or _looks_like_a_file(source)):
        return None
    if not path.is_file():
        raise GradiendError(f"{path}: no such file" + _nearest(path))
    if path.suffix.lower() not in SUFFIXES:
        raise GradiendError(f"{path}: '{path.suffix}' is no table format: use one of {', '.join(SUFFIXES)}")
    return path


def _looks_like_a_file(source: str) -> bool:
    return Path(source).suffix.lower() in (*SUFFIXES, *_OTHER_SUFFIXES) or not _HUB_ID.fullmatch(source)


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f", and no folder '{path.parent}'"
    return did_you_mean(path.name, sorted(file.name for file in path.parent.iterdir()))
