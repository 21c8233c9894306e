"""How the rows of a store are spread over its shards, so that several jobs can write it.

What is computed together stays together: a shard gets whole chunks, so that its rows are, to the last bit, those of
a store of one shard.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json

RECORD = "shards.json"


def read_shard(text: str) -> tuple[int, int]:
    """ "0/1" as number and count. Raises `GradiendError` on anything else."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise GradiendError(f"--shard {text}: should be its number, from 0, and how many there are: 0/1, or 2/3")
    return int(number), int(count)


def chunks_of(chunks: Sequence[Sequence[int]], shard: int, shards: int) -> list[Sequence[int]]:
    """Every `shards`-th chunk: long and short texts in each shard; none where there are more shards than chunks."""
    return list(chunks[shard::shards])


def in_shards(table: pd.DataFrame, chunks: Sequence[Sequence[int]], shards: int) -> pd.DataFrame:
    """The table of all rows with `shard` and `position` as they are in a store of that many shards."""
    shard = np.zeros(len(table), dtype=np.int64)
    for number in range(shards):
        for chunk in chunks_of(chunks, number, shards):
            shard[list(chunk)] = number
    placed = table.assign(shard=shard)
    return placed.assign(position=placed.groupby("shard").cumcount())


def record_shards(folder: Path, shards: int, made_from: str) -> None:
    """Remember beside a store how many shards it has, and what it was made from."""
    write_json(folder / RECORD, {"shards": shards, "made_from": made_from})


def shards_of(folder: Path, made_from: str, wanted: int) -> int:
    """How many shards the store in `folder` has, as long as it is made from the same; else how many are wanted."""
    try:
        found = read_json(folder / RECORD)
    except GradiendError:
        return wanted
    return int(found["shards"]) if found.get("made_from") == made_from else wanted


def bytes_of_others(folder: Path, shard: int) -> int:
    """Bytes on disk of the other shards in a folder of stores, finished or being written."""
    files = [path for path in folder.glob("*/*shard-*.safetensors*") if f"shard-{shard}.safetensors" not in path.name]
    return sum(allocated(path) for path in files)


def allocated(path: Path) -> int:
    """Bytes on the disk; a file that is being written is longer, and one that was just renamed is none."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0
