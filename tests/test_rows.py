"""Stored rows: what is written is what is read, memory-mapped, and nothing wrong is read."""

import shutil
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gradiend.errors import GradiendError
from gradiend.gradients import rows as rows_module
from gradiend.gradients.rows import StoredRows, bytes_needed, label_of, require_free_space, source_of
from gradiend.gradients.shard_file import ShardFile
from gradiend.space import ParameterSpace

STATM = Path("/proc/self/statm")


def space_of(size: int = 6) -> ParameterSpace:
    return ParameterSpace.of({"w": torch.empty(size)})


def values(name: str, row: int, size: int = 6) -> Tensor:
    """Every value of a store is another."""
    return torch.arange(size) + 100.0 * row + (0.5 if name == "alternative" else 0.0)


def table_of(shards: Sequence[int]) -> pd.DataFrame:
    """The table of a store whose row i is in the i-th of these shards."""
    positions = [list(shards[:i]).count(shard) for i, shard in enumerate(shards)]
    table = {"shard": shards, "position": positions, "example_ids": [[i] for i in range(len(shards))]}
    return pd.DataFrame(table | {"factual_class": "a", "alternative_class": "b"})


def write_table(folder: Path, shards: Sequence[int]) -> None:
    table_of(shards).to_parquet(folder / "rows.parquet")


def label(count: int) -> dict[str, str]:
    """That of the shard of a store of one."""
    return label_of("train", table_of([0] * count))


def write_store(folder: Path, shards: Sequence[int], names: Sequence[str] = ("factual", "alternative")) -> Path:
    """Row i is `values(name, i)`; the rows of a shard are written from the last to the first."""
    folder.mkdir(exist_ok=True)
    write_table(folder, shards)
    for shard in set(shards):
        own = [row for row, of in enumerate(shards) if of == shard]
        its = label_of("train", table_of(shards).iloc[own])
        with ShardFile(folder / f"shard-{shard}.safetensors", len(own), names, space_of(), its) as writer:
            for position, row in reversed(list(enumerate(own))):
                for name in names:
                    writer.write(name, position, values(name, row))
    return folder


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = StoredRows(write_store(tmp_path, [0, 0, 1, 0, 1]), space_of(), "train")
    for row in range(5):
        factual, alternative = rows.pair(row)
        assert torch.equal(factual, values("factual", row))
        assert torch.equal(alternative, values("alternative", row))
        assert factual.dtype == torch.float32


@pytest.mark.parametrize("wanted", [[0, 1, 2, 3, 4], [4, 0, 3], [2, 2, 1], [1], [], [3, 1, 0, 4, 2]])
@pytest.mark.parametrize("block_bytes", [1, 48, 2**26])
def test_blocks_are_the_rows_asked_for_in_their_order(
    tmp_path: Path, wanted: list[int], block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", block_bytes)
    rows = StoredRows(write_store(tmp_path, [0, 0, 1, 0, 1]), space_of(), "train")
    blocks = list(rows.blocks(wanted))
    for which, name in enumerate(("factual", "alternative")):
        found = [row for block in blocks for row in block[which]]
        assert len(found) == len(wanted)
        assert all(torch.equal(row, values(name, i)) for row, i in zip(found, wanted, strict=True))
    assert all(len(block[0]) <= max(1, block_bytes // 24) for block in blocks)


def test_a_shard_is_a_plain_safetensors_file(tmp_path: Path) -> None:
    write_store(tmp_path, [0, 0])
    tensors = load_file(tmp_path / "shard-0.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    sums = {"factual_sums": (2,), "alternative_sums": (2,)}
    assert shapes == {"factual": (2, 6), "alternative": (2, 6)} | sums
    assert torch.equal(tensors["factual"][1], values("factual", 1))
    words = struct.unpack("<6I", struct.pack("<6f", *values("factual", 1).tolist()))
    assert tensors["factual_sums"][1].item() % 2**32 == ~sum(words) % 2**32


@pytest.mark.parametrize("name", ["factual", "alternative"])
@pytest.mark.parametrize("together", [[0, 1, 2], [2, 1], [3, 1, 2], []])
def test_every_wrong_bit_of_a_row_is_noticed_where_it_is_read(tmp_path: Path, name: str, together: list[int]) -> None:
    shard = write_store(tmp_path, [0, 0, 0, 1]) / "shard-0.safetensors"
    content = shard.read_bytes()
    row = content.index(values(name, 1).numpy().tobytes())
    for bit in range(6 * 32):
        changed = bytearray(content)
        changed[row + bit // 8] ^= 1 << bit % 8
        shard.write_bytes(changed)
        rows = StoredRows(tmp_path, space_of(), "train")
        rows.pair(0), rows.pair(2)
        with pytest.raises(
            GradiendError, match=rf"shard-0\.safetensors: the {name} gradient at position 1 is not as it was"
        ):
            list(rows.blocks(together)) if together else rows.pair(1)


def test_a_row_is_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, compared = StoredRows(write_store(tmp_path, [0, 0]), space_of(), "train"), []
    true = rows_module.checksums
    monkeypatch.setattr(rows_module, "checksums", lambda found: compared.append(len(found)) or true(found))
    for _ in range(3):
        rows.pair(0), list(rows.blocks([0, 1]))
    assert compared == [1, 1, 2, 2]  # both gradients of the first row alone, then those of both rows


def test_zeros_in_place_of_what_was_never_written_are_noticed(tmp_path: Path) -> None:
    shard = write_store(tmp_path, [0, 0]) / "shard-0.safetensors"
    content = shard.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    shard.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(GradiendError, match="the factual gradient at position 0 is not as it was written"):
        StoredRows(tmp_path, space_of(), "train").pair(0)


def test_a_name_with_a_wrong_bit_makes_no_other_store_of_it(tmp_path: Path) -> None:
    shard = write_store(tmp_path, [0, 0]) / "shard-0.safetensors"
    shard.write_bytes(shard.read_bytes().replace(b'"alternative"', b'"alternativf"'))
    with pytest.raises(GradiendError, match=r"shard-0\.safetensors: not a row file, it has .*'alternativf'"):
        StoredRows(tmp_path, space_of(), "train")


@pytest.mark.parametrize("positions", [[0, 2], [0, 0], [1, 2], [-1, 0], [0, 2**40]])
def test_positions_that_cannot_be_are_named(tmp_path: Path, positions: list[int]) -> None:
    write_store(tmp_path, [0, 0])
    table = pd.read_parquet(tmp_path / "rows.parquet").assign(position=positions)
    table.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(GradiendError, match=r"rows\.parquet: the positions of shard 0 are not 0 to 1; delete it"):
        StoredRows(tmp_path, space_of(), "train")


def test_a_store_without_alternatives_gives_the_factual_rows_for_both(tmp_path: Path) -> None:
    factual, alternative = StoredRows(write_store(tmp_path, [0], ["factual"]), space_of(), "train").pair(0)
    assert torch.equal(factual, alternative)


def test_an_empty_store_is_a_store(tmp_path: Path) -> None:
    with ShardFile(tmp_path / "shard-0.safetensors", 0, ["factual"], space_of(), {}):
        pass
    write_table(tmp_path, [])
    rows = StoredRows(tmp_path, space_of(), "train")
    assert (len(rows.table), list(rows.blocks([]))) == (0, [])
    assert load_file(tmp_path / "shard-0.safetensors")["factual"].shape == (0, 6)


@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
def test_opening_a_store_reads_nothing_of_its_rows(tmp_path: Path) -> None:
    space = ParameterSpace.of({"w": torch.empty(512, 512)})
    write_table(tmp_path, [0] * 1024)
    with ShardFile(tmp_path / "shard-0.safetensors", 1024, ("factual", "alternative"), space, label(1024)) as file:
        for name in file.names:  # and 2 GiB of nothing: the file is sparse
            file.write(name, 1023, torch.zeros(2**18))
    assert (tmp_path / "shard-0.safetensors").stat().st_size > 2**31
    before, started = int(STATM.read_text().split()[1]), time.process_time()
    rows = StoredRows(tmp_path, space, "train")
    factual, _ = rows.pair(1023)
    assert float(factual[-1]) == 0
    assert time.process_time() - started < 0.1
    assert (int(STATM.read_text().split()[1]) - before) * 4096 < 2**25


def test_rows_of_contiguous_positions_are_views_of_the_file(tmp_path: Path) -> None:
    rows = StoredRows(write_store(tmp_path, [0, 0, 0]), space_of(), "train")
    ((block, _),) = rows.blocks([1, 2])
    assert block.untyped_storage().data_ptr() == rows.pair(0)[0].untyped_storage().data_ptr()


def test_rows_of_another_space_are_refused(tmp_path: Path) -> None:
    write_store(tmp_path, [0, 0])
    with pytest.raises(GradiendError, match=r"shard-0\.safetensors: its rows are of another kept space"):
        StoredRows(tmp_path, space_of().select(torch.tensor([0, 1])), "train")


def test_rows_of_another_split_are_refused(tmp_path: Path) -> None:
    write_store(tmp_path, [0, 0])
    with pytest.raises(GradiendError, match=r"shard-0\.safetensors: its rows are of split 'train', not 'validation';"):
        StoredRows(tmp_path, space_of(), "validation")


@pytest.mark.parametrize(
    "other",
    [
        {"example_ids": [[1], [0], [2]]},
        {"example_ids": [[0], [1], [3]]},
        {"example_ids": [[0], [1, 2], []]},
        {"position": [1, 0, 0]},
        {"factual_class": ["a", "b", "a"]},
        {"alternative_class": "a"},
    ],
)
def test_rows_of_other_examples_or_classes_than_their_table_names_are_refused(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    write_store(tmp_path, [0, 0, 1])
    table_of([0, 0, 1]).assign(**other).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(GradiendError, match=r"its rows are of other examples than rows\.parquet names; delete both"):
        StoredRows(tmp_path, space_of(), "train")


def test_ids_of_examples_that_are_none_are_named(tmp_path: Path) -> None:
    write_store(tmp_path, [0, 0])
    table_of([0, 0]).assign(example_ids=[["a"], ["b"]]).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(GradiendError, match=r"rows\.parquet: example_ids should be lists of integers .*; delete it"):
        StoredRows(tmp_path, space_of(), "train")


@pytest.mark.parametrize("missing", ["rows.parquet", "shard-1.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    (write_store(tmp_path, [0, 1]) / missing).unlink()
    with pytest.raises(GradiendError, match=f"{missing}: no such file$"):
        StoredRows(tmp_path, space_of(), "train")


@pytest.mark.parametrize("size", [0, 5, 200, -1])
def test_a_cut_file_is_named(tmp_path: Path, size: int) -> None:
    shard = write_store(tmp_path, [0, 0]) / "shard-0.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:size])
    with pytest.raises(GradiendError, match=r"shard-0\.safetensors: not a readable row file .*delete it and run again"):
        StoredRows(tmp_path, space_of(), "train")


def test_a_table_with_more_rows_than_its_shard_is_refused(tmp_path: Path) -> None:
    write_store(tmp_path, [0, 0])
    write_table(tmp_path, [0, 0, 0])
    with pytest.raises(GradiendError, match=r"shard-0\.safetensors: it has 2 rows, and rows\.parquet names 3"):
        StoredRows(tmp_path, space_of(), "train")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_is_refused_by_name(tmp_path: Path, wrong: float) -> None:
    path = tmp_path / "shard-0.safetensors"
    with (
        pytest.raises(GradiendError, match=r"gradient row 1 \(alternative\) holds NaN or infinity"),
        ShardFile(path, 2, ("factual", "alternative"), space_of(), {}) as writer,
    ):
        writer.write("factual", 1, torch.ones(6))
        writer.write("alternative", 1, torch.tensor([0, 0, wrong, 0, 0, 0]))


def test_a_row_whose_sum_is_too_large_is_finite_all_the_same(tmp_path: Path) -> None:
    with ShardFile(tmp_path / "shard-0.safetensors", 1, ["factual"], space_of(), label(1)) as writer:
        writer.write("factual", 0, torch.full((6,), 3e38))
    write_table(tmp_path, [0])
    assert float(StoredRows(tmp_path, space_of(), "train").pair(0)[0][-1]) == pytest.approx(3e38)


def test_rows_of_every_float_type_are_stored_as_float32(tmp_path: Path) -> None:
    write_table(tmp_path, [0, 0])
    with ShardFile(tmp_path / "shard-0.safetensors", 2, ["factual"], space_of(), label(2)) as writer:
        writer.write("factual", 0, values("factual", 0).double())
        writer.write("factual", 1, torch.stack([values("factual", 1)] * 2, 1).to(torch.bfloat16)[:, 0])
    rows = StoredRows(tmp_path, space_of(), "train")
    assert torch.equal(rows.pair(0)[0], values("factual", 0))
    assert torch.equal(rows.pair(1)[0], values("factual", 1).to(torch.bfloat16).float())


def test_the_size_of_a_store_is_known_before_it_is_written(tmp_path: Path) -> None:
    write_store(tmp_path, [0] * 50)
    size = (tmp_path / "shard-0.safetensors").stat().st_size
    assert 0 < size - bytes_needed(50, 2, space_of()) < 1000


def test_too_little_free_space_is_an_error_that_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_free_space(tmp_path / "new", 1000)
    usage = shutil.disk_usage(tmp_path)._replace(free=2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    require_free_space(tmp_path, 2**30 - 2**25)
    with pytest.raises(GradiendError, match=r"need 1\.50 GiB and 1\.00 GiB are free: prune more"):
        require_free_space(tmp_path, 3 * 2**29)


def test_the_difference_is_factual_minus_alternative() -> None:
    factual, alternative = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 5.0])
    found = {name: source_of(factual, alternative, name).tolist() for name in ("factual", "alternative", "diff")}
    assert found == {"factual": [3, 1], "alternative": [1, 5], "diff": [2, -4]}


def test_a_store_larger_than_the_memory_is_opened_and_read(tmp_path: Path) -> None:
    kept, size = space_of(2**20), psutil.virtual_memory().total + psutil.swap_memory().total
    count = size * 13 // 10 // (4 * kept.input_dim)  # a file with holes
    with ShardFile(tmp_path / "shard-0.safetensors", count, ("factual",), kept, label(count)) as writer:
        writer.write("factual", count - 1, torch.ones(kept.input_dim))
    write_table(tmp_path, [0] * count)
    factual, alternative = StoredRows(tmp_path, kept, "train").pair(count - 1)
    assert torch.equal(factual, torch.ones(kept.input_dim)) and alternative.data_ptr() == factual.data_ptr()


@pytest.mark.parametrize("column", ["position", "shard"])
def test_places_that_are_no_integers_are_an_error(tmp_path: Path, column: str) -> None:
    write_store(tmp_path, [0, 0])
    table = table_of([0, 0])
    table.assign(**{column: table[column].astype(float)}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(GradiendError, match=rf"rows\.parquet: its column '{column}' should be integers"):
        StoredRows(tmp_path, space_of(), "train")
