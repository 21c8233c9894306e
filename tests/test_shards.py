"""A store in several shards has the rows of a store in one, bit for bit, and each shard is written on its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import (
    base_model_settings,
    random_space,
    save_tiny_model,
    tiny_examples,
    tiny_masked_lm,
    tiny_neutral,
)
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoTokenizer

from gradiend.backbones.masked_lm import MaskedLM
from gradiend.errors import GradiendError
from gradiend.files import write_json
from gradiend.gradients.rows import StoredRows
from gradiend.gradients.shards import bytes_of_others, chunks_of, in_shards, read_shard, record_shards, shards_of
from gradiend.settings import CacheGradients
from gradiend.space import ParameterSpace
from gradiend.stages import cache_gradients

SPLITS = ("train", "validation", "test", "neutral")
SHARED = Path(os.environ.get("GRADIEND_SHARED", "none"))


class Stores:
    """Stores of the same rows, in a folder each."""

    def __init__(self, folder: Path, model: Path, space: ParameterSpace, examples: pd.DataFrame, neutral: pd.DataFrame):
        self.folder, self.space = folder, space
        self.inputs = {name: folder / name for name in ("examples", "neutral", "space")}
        examples.to_parquet(self.inputs["examples"])
        neutral.to_parquet(self.inputs["neutral"])
        space.save(self.inputs["space"])
        self.settings = CacheGradients(base_model_settings(model), None, False, 0)

    def write(self, shards: int, order: list[int] | None = None) -> Path:
        """A store written shard by shard, as by several jobs."""
        out = self.folder / f"in-{shards}"
        for shard in order or range(shards):
            self.write_shard(out, f"{shard}/{shards}")
        return out

    def write_shard(self, out: Path, shard: str) -> str:
        partial = out / f"partial-{shard[0]}"
        return cache_gradients.run(
            settings=self.settings, **self.inputs, eval_batch_size=2, shard=shard, partial=partial, out=out
        )

    def rows(self, out: Path, split: str) -> Iterator[Tensor]:
        rows = StoredRows(out / split, self.space, split)
        every = [torch.cat(parts) for parts in zip(*rows.blocks(range(len(rows.table))), strict=True)]
        single = [torch.stack(rows.pair(row)) for row in range(len(rows.table))]
        assert torch.equal(torch.stack(every, dim=1), torch.stack(single))
        return iter(every)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    folder = tmp_path_factory.mktemp("stores")
    space = random_space(tiny_masked_lm(), 0.2)
    return Stores(folder, save_tiny_model(folder / "model"), space, tiny_examples(), tiny_neutral())


@pytest.mark.parametrize("shards", [3, 7, 20])
def test_rows_are_the_same_bit_for_bit_in_however_many_shards(stores: Stores, shards: int) -> None:
    one, many = stores.write(1), stores.write(shards, order=[*range(1, shards), 0])
    for split in SPLITS:
        for found, true in zip(stores.rows(many, split), stores.rows(one, split), strict=True):
            assert torch.equal(found, true)
        tables = [
            pd.read_parquet(out / split / "rows.parquet").drop(columns=["shard", "position"]) for out in (one, many)
        ]
        pd.testing.assert_frame_equal(*tables)
        assert len(list((many / split).glob("shard-*.safetensors"))) == shards


def test_a_shard_that_is_written_again_is_the_same_file(stores: Stores) -> None:
    out = stores.write(3)
    before = {path: path.read_bytes() for path in out.glob("*/shard-*")}
    assert len(before) == 3 * len(SPLITS)
    for path in out.glob("*/shard-1.safetensors"):
        path.unlink()
    assert stores.write_shard(out, "1/3").startswith("cache_gradients: shard 1 of 3 of the rows of ")
    assert before == {path: path.read_bytes() for path in out.glob("*/shard-*")}


@pytest.mark.skipif(not SHARED.is_dir(), reason="GRADIEND_SHARED names no folder")
def test_rows_of_a_real_model_are_the_same_bit_for_bit_in_three_shards(tmp_path: Path) -> None:
    model = SHARED / "models" / "minilm-mlm"
    base = MaskedLM(
        AutoModelForMaskedLM.from_pretrained(model, dtype=torch.float32), AutoTokenizer.from_pretrained(model)
    )
    data = pd.read_csv(SHARED / "data" / "gender_en.csv").groupby(["split", "label_class"]).head(6)
    examples = data.rename(columns={"label": "factual", "label_class": "factual_class"}).reset_index(drop=True)
    train = (examples["split"] == "train").to_numpy()
    examples["batch"] = pd.Series(pd.NA, index=examples.index, dtype="Int64")
    examples.loc[train, "batch"] = examples[train].groupby("factual_class").ngroup()
    neutral = pd.DataFrame(columns=["id", "split", "text", "masked", "factual"])
    stores = Stores(tmp_path, model, random_space(base, 0.002), examples.assign(id=examples.index), neutral)
    one, three = stores.write(1), stores.write(3)
    for split in SPLITS[:3]:
        for found, true in zip(stores.rows(three, split), stores.rows(one, split), strict=True):
            assert torch.equal(found, true)


@given(st.lists(st.integers(1, 4), max_size=12), st.integers(1, 9))
def test_every_row_is_in_one_shard_with_those_of_its_chunk(sizes: list[int], shards: int) -> None:
    numbers = torch.randperm(sum(sizes)).tolist()
    chunks = [[numbers.pop() for _ in range(size)] for size in sizes]
    table = in_shards(pd.DataFrame({"example": range(sum(sizes))}), chunks, shards)
    assert sorted(row for i in range(shards) for chunk in chunks_of(chunks, i, shards) for row in chunk) == list(
        range(sum(sizes))
    )
    for chunk in chunks:
        assert table.loc[chunk, "shard"].nunique() == 1
    for _, own in table.groupby("shard"):
        assert own["position"].tolist() == list(range(len(own)))


@pytest.mark.parametrize("text", ["3/3", "1", "", "-1/2", "a/b", "0/0"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(GradiendError, match=r"should be its number, from 0, and how many there are"):
        read_shard(text)


def test_a_store_keeps_its_shards_as_long_as_it_is_made_from_the_same(tmp_path: Path) -> None:
    assert shards_of(tmp_path, "a", 3) == 3
    record_shards(tmp_path, 2, "a")
    assert shards_of(tmp_path, "a", 3) == 2
    assert shards_of(tmp_path, "b", 3) == 3
    write_json(tmp_path / "shards.json", ["nonsense"])
    assert shards_of(tmp_path, "a", 3) == 3


def test_the_disk_space_of_other_shards_is_not_needed_again(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for name in ("shard-0.safetensors", "shard-1.safetensors", ".shard-1.safetensors.7.partial"):
        (tmp_path / "train" / name).write_bytes(b"x" * 4096)
    assert bytes_of_others(tmp_path, 0) == 8192
    assert bytes_of_others(tmp_path, 1) == 4096
    assert bytes_of_others(tmp_path / "none", 0) == 0
