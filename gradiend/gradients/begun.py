"""A shard of all splits while it is written, and how a rerun goes on where a killed job was."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
from tqdm import tqdm

from gradiend.files import naming, replacing
from gradiend.gradients.live import LiveRows
from gradiend.gradients.rows import label_of
from gradiend.gradients.shard_file import ShardFile, filled
from gradiend.gradients.shards import allocated, chunks_of
from gradiend.interruption import Signals
from gradiend.partial import Partial, State
from gradiend.space import ParameterSpace

LOG = logging.getLogger(__name__)
HIDDEN = ".partial-"


class BegunShard:
    """The files of one shard, which get their names together once all rows are there.

    Until then they are hidden beside those names, for Snakemake deletes the outputs of a killed job. `partial` says
    how many chunks of each split are in them. What no state tells of is removed, at the start and at the end.
    """

    def __init__(self, folder: Path, shard: int, partial: Partial) -> None:
        self._folder, self._name, self._partial = folder, f"shard-{shard}.safetensors", partial
        state = partial.load()
        self._done: dict[str, int] = dict(state.values) if state else {}
        self._is_saved = state is not None
        self._remove(but_own=self._is_saved)

    @property
    def bytes(self) -> int:
        """What it takes on the disk already."""
        return sum(allocated(path) for path in self._hidden())

    @contextmanager
    def writing(
        self, split: str, rows: pd.DataFrame, names: Sequence[str], space: ParameterSpace
    ) -> Iterator[tuple[ShardFile, int]]:
        """The file of these rows of a split, and how many of its chunks are in it already; see `keep`."""
        path = self._path(split)
        with naming(self._folder / split / self._name):
            if self._done.get(split) and not path.exists():  # it had its name already, and was deleted under it
                self._save({**self._done, split: 0})
            if self._done.get(split):
                LOG.info("%s rows: goes on after %d chunks of texts", split, self._done[split])
            with ShardFile(path, len(rows), names, space, label_of(split, rows)) as file:
                yield file, self._done.get(split, 0)

    def keep(self, split: str, done: int, *, at_once: bool = False) -> None:
        """Chunk number `done`, counted from 1, is written; it is remembered now, or when enough others are."""
        self._done[split] = done
        if at_once or self._partial.due:
            self._save(self._done)

    def finish(self, splits: Sequence[str]) -> None:
        """Give all files their names."""
        for split in splits:
            with replacing(self._folder / split / self._name) as temporary:
                os.replace(self._path(split), temporary)
        self._partial.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._is_saved:
            self._remove()

    def _save(self, done: dict[str, int]) -> None:
        for path in self._hidden():
            _sync(path)
        self._done, self._is_saved = done, True
        self._partial.save(State({}, dict(done)))

    def _path(self, split: str) -> Path:
        return self._folder / split / f"{self._prefix}{self._name}"

    @property
    def _prefix(self) -> str:
        """Another for every identity: jobs that should not run at once do not mix their rows."""
        return f"{HIDDEN}{self._partial.identity[:16]}."

    def _hidden(self) -> list[Path]:
        return list(self._folder.glob(f"*/{HIDDEN}*.{self._name}"))

    def _remove(self, *, but_own: bool = False) -> None:
        for path in self._hidden():
            if not (but_own and path.name.startswith(self._prefix)):
                path.unlink()


def write_split(
    begun: BegunShard, split: str, rows: LiveRows, table: pd.DataFrame, shard: int, shards: int, signals: Signals
) -> None:
    """Compute and write one shard of a split, but for the chunks that an earlier job has written.

    `table` is that of the rows `in_shards`; neutral rows have no alternative.
    """
    names = ("factual",) if split == "neutral" else ("factual", "alternative")
    chunks = chunks_of(rows.by_length(), shard, shards)
    own, positions = table[table["shard"] == shard], table["position"].tolist()
    with begun.writing(split, own, names, rows.space) as (file, done):
        before = sum(len(chunk) for chunk in chunks[:done])
        with tqdm(total=len(own), initial=before, desc=f"{split} rows", unit="row", mininterval=5) as bar:
            for number, written in enumerate(filled(file, rows, chunks[done:], positions), start=done + 1):
                bar.update(written)
                begun.keep(split, number, at_once=signals.wants_state)
                signals.obey()


def _sync(path: Path) -> None:
    """Wait until what was written would outlive the machine."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
