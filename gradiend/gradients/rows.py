"""Rows of one split: what every stage that reads rows may ask for, and rows stored in files.

A store is a folder of `shard-{i}.safetensors` with `factual` and `alternative`, `[rows, input_dim]` float32
(neutral: `factual` only), their checksums `factual_sums` and `alternative_sums`, `[rows]` int32, and `rows.parquet`,
which says for every row its shard, position, examples and classes. A shard says of what split and examples it is.
"""

import json
import math
import mmap
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_integer_dtype
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gradiend.errors import GradiendError
from gradiend.files import digest_bytes, make_folder, shown_bytes
from gradiend.space import ParameterSpace
from gradiend.tables import read_table

ROW_COLUMNS = ("shard", "position", "example_ids", "factual_class", "alternative_class")
SUMS = "_sums"  # what a tensor's checksums are called after it
BLOCK_BYTES = 64 * 2**20


class Rows(Protocol):
    """Factual and alternative gradients of a split's rows, stored or computed as they are asked for."""

    @property
    def space(self) -> ParameterSpace:
        """The space of the rows."""

    @property
    def table(self) -> pd.DataFrame:
        """One line per row, with the columns of `ROW_COLUMNS`."""

    def pair(self, row: int) -> tuple[Tensor, Tensor]:
        """Factual and alternative gradient of one row, `[input_dim]` each."""

    def blocks(self, rows: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """The factual and alternative gradients of some rows, in order, `[block, input_dim]` at a time."""


def source_of(factual: Tensor, alternative: Tensor, source: str) -> Tensor:
    """The gradient that `source` (or `target`) names: the factual, the alternative, or factual - alternative."""
    if source == "diff":
        return factual - alternative
    return factual if source == "factual" else alternative


def classes_by_example(table: pd.DataFrame) -> "pd.Series[str]":
    """Factual class of rows of single examples, indexed by the example's id."""
    ids = [int(ids[0]) for ids in table["example_ids"]]
    return pd.Series(table["factual_class"].to_numpy(), index=ids, dtype=str)


def checksums(rows: np.ndarray) -> np.ndarray:
    """The inverted sum of each row's 32-bit words, modulo 2^32: float32 `[rows, input_dim]` -> int32 `[rows]`.

    It takes no longer than to read the rows. A wrong bit changes it, and it is not 0 where all bytes of a file are;
    words in another order it does not tell.
    """
    found: np.ndarray = ~np.add.reduce(rows.view(np.int32), axis=1, dtype=np.int32)
    return found


def label_of(split: str, rows: pd.DataFrame) -> dict[str, str]:
    """What a shard says of its rows, lines of their table: the split, and a digest of their examples and classes."""
    own = rows.sort_values("position")
    ids = [np.asarray(one, dtype="<i8") for one in own["example_ids"]]
    counts = np.array([len(one) for one in ids], dtype="<i8")
    classes = own[["factual_class", "alternative_class"]].astype(str).to_numpy().tolist()
    content = (np.concatenate([counts, *ids]).tobytes(), json.dumps(classes).encode())
    return {"split": split, "examples": digest_bytes(*content)[:16]}


class StoredRows:
    """Rows of a store, memory-mapped: opening reads nothing but the table.

    A row is compared with its checksum when it is first read: `GradiendError` if it is not as it was written.
    """

    def __init__(self, folder: Path, space: ParameterSpace, split: str) -> None:
        """Raises `GradiendError` if a file is missing, broken, or holds rows of another space, split or table."""
        self.space = space
        self.table = read_table(folder / "rows.parquet", ROW_COLUMNS)
        for name in ("shard", "position"):
            if len(self.table) and not is_integer_dtype(self.table[name]):
                wrong = f"{folder / 'rows.parquet'}: its column '{name}' should be integers"
                raise GradiendError(f"{wrong}; delete it and run again")
        self._shards: dict[int, tuple[_Stored, _Stored]] = {}
        for shard in self.table["shard"].unique():
            own = self.table[self.table["shard"] == shard]
            positions = own["position"]
            if not np.array_equal(np.sort(positions), np.arange(len(positions))):
                wrong = f"{folder / 'rows.parquet'}: the positions of shard {shard} are not 0 to {len(positions) - 1}"
                raise GradiendError(f"{wrong}; delete it and run again")
            try:
                label = label_of(split, own)
            except (TypeError, ValueError) as error:
                wrong = f"{folder / 'rows.parquet'}: example_ids should be lists of integers ({error})"
                raise GradiendError(f"{wrong}; delete it and run again") from error
            self._shards[shard] = _open_shard(folder / f"shard-{shard}.safetensors", space, len(own), label)
        self._shard = self.table["shard"].to_numpy()
        self._position = self.table["position"].to_numpy()

    def pair(self, row: int) -> tuple[Tensor, Tensor]:
        """Factual and alternative gradient of one row, `[input_dim]` each: views into the mapped files, no copies."""
        factual, alternative = self._shards[self._shard[row]]
        position = self._position[row]
        return factual.row(position), alternative.row(position)

    def blocks(self, rows: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """The gradients of some rows, in order, `[block, input_dim]` each.

        A block has at most `BLOCK_BYTES` a gradient, the same in however many shards; contiguous rows are views.
        """
        size = max(1, BLOCK_BYTES // (4 * max(1, self.space.input_dim)))
        wanted = np.asarray(rows, dtype=np.int64)
        for start in range(0, len(wanted), size):
            block = wanted[start : start + size]
            yield self._gathered(block, 0), self._gathered(block, 1)

    def _gathered(self, rows: np.ndarray, which: int) -> Tensor:
        """Factual (0) or alternative (1) gradients, `[rows, input_dim]`, whichever shards have them."""
        shards, positions = self._shard[rows], self._position[rows]
        (first, *others) = np.unique(shards)
        if not others:
            return self._shards[first][which].rows(positions)
        found = torch.empty(len(rows), self.space.input_dim)
        for shard in (first, *others):
            own = shards == shard
            found[torch.from_numpy(own)] = self._shards[shard][which].rows(positions[own])
        return found


class _Stored:
    """One tensor of a shard, `[rows, input_dim]`, mapped, and the checksums of its rows."""

    def __init__(self, tensor: Tensor, sums: np.ndarray, name: str, path: Path) -> None:
        self._tensor, self._sums = tensor, sums
        self._name, self._path = name, path
        self._checked = np.zeros(len(tensor), dtype=bool)

    def __len__(self) -> int:
        return len(self._tensor)

    def row(self, position: int) -> Tensor:
        """A view of one row, `[input_dim]`."""
        if not self._checked[position]:
            self._check(self._tensor[position : position + 1], np.array([position]))
        return self._tensor[position]

    def rows(self, positions: np.ndarray) -> Tensor:
        """Some rows, `[len(positions), input_dim]`: a view if they lie one after another."""
        first, last = int(positions[0]), int(positions[-1])
        if last - first + 1 == len(positions) and bool((np.diff(positions) == 1).all()):
            found = self._tensor[first : last + 1]
        else:
            found = self._tensor[torch.from_numpy(positions)]
        if not self._checked[positions].all():
            self._check(found, positions)
        return found

    def _check(self, rows: Tensor, positions: np.ndarray) -> None:
        wrong = positions[checksums(rows.numpy()) != self._sums[positions]]
        if len(wrong):
            raise GradiendError(
                f"{self._path}: the {self._name} gradient at position {wrong[0]} is not as it was written (its "
                "checksum is another); delete the file and run again"
            )
        self._checked[positions] = True


def _mapped(path: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Float32 tensors of a safetensors file, mapped so that they can only be read: the file may exceed the memory.

    What safetensors itself maps for torch can be written to, and the system refuses such a map where it could not
    hold it.
    """
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start - 8))
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's, of memory that cannot be written to
        for name in names:
            kind, shape = header[name]["dtype"], header[name]["shape"]
            if kind != "F32" or len(shape) != 2:
                wrong = f"{path}: '{name}' is {kind} of shape {shape}, and rows are F32 of shape [rows, input_dim]"
                raise GradiendError(f"{wrong}; delete it and run again")
            place = {"count": math.prod(shape), "offset": start + header[name]["data_offsets"][0]}
            flat = torch.frombuffer(content, dtype=torch.float32, **place) if place["count"] else torch.empty(0)
            found[name] = flat.view(shape)
    return found


def _open_shard(path: Path, space: ParameterSpace, rows: int, label: Mapping[str, str]) -> tuple[_Stored, _Stored]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = [name for name in ("factual", "alternative") if name in file.keys()]  # noqa: SIM118
            if sorted(file.keys()) != sorted([*names, *(name + SUMS for name in names)]):
                raise GradiendError(f"{path}: not a row file, it has {sorted(file.keys())}; delete it and run again")
            mapped = _mapped(path, names)
            tensors = [_Stored(mapped[name], file.get_tensor(name + SUMS), name, path) for name in names]
    except FileNotFoundError as error:
        raise GradiendError(f"{path}: no such file") from error
    except (OSError, SafetensorError) as error:
        raise GradiendError(f"{path}: not a readable row file ({error}); delete it and run again") from error
    if metadata.get("space") != space.digest:
        raise GradiendError(f"{path}: its rows are of another kept space; delete it and run again")
    if len(tensors[0]) != rows:
        raise GradiendError(
            f"{path}: it has {len(tensors[0])} rows, and rows.parquet names {rows}; delete both and run again"
        )
    found = {name: metadata.get(name) for name in label}
    if found != label:
        other = f"split '{found['split']}', not '{label['split']}'" if found["split"] != label["split"] else ""
        what = f"of {other or 'other examples than rows.parquet names'}"
        raise GradiendError(f"{path}: its rows are {what}; delete both and run again")
    return tensors[0], tensors[-1]


def bytes_needed(rows: int, tensors: int, space: ParameterSpace) -> int:
    """Bytes of a shard's data on disk: `tensors` of `[rows, input_dim]` float32, and a checksum per row."""
    return 4 * rows * tensors * (space.input_dim + 1)


def require_free_space(folder: Path, needed: int) -> None:
    """Raises `GradiendError` if the disk of `folder` has not `needed` bytes free (and 1 % more)."""
    make_folder(folder)
    free = shutil.disk_usage(folder).free
    if needed * 1.01 > free:
        raise GradiendError(
            f"{folder}: the gradient rows need {shown_bytes(needed)} and {shown_bytes(free)} are free: prune "
            "more (pre_prune_config.topk), use fewer params or examples, or set use_cached_gradients: false"
        )
