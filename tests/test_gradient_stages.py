"""The stages cache_importance, pre_prune, cache_gradients and post_prune: files in, files and one line out."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from tiny import (
    CLASSES,
    autograd_rows,
    base_model_settings,
    relative_error,
    save_tiny_model,
    tiny_examples,
    tiny_masked_lm,
    tiny_neutral,
    tiny_pairs,
)

from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.gradients.rows import StoredRows
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.pruning import kept_positions, weight_importance
from gradiend.settings import CacheGradients, CacheImportance, PostPrune, PrePrune, canonical
from gradiend.space import ParameterSpace
from gradiend.stages import cache_gradients, cache_importance, post_prune, pre_prune
from gradiend.stages.command import main
from gradiend.stages.live import open_split

FLOAT32 = 3e-6
SPLITS = {"train": 5, "validation": 7, "test": 5, "neutral": 3}  # rows


class Files:
    """Data, base model, settings and the paths of what the stages write, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = {"examples": folder / "examples.parquet", "neutral": folder / "neutral.parquet"}
        tiny_examples().to_parquet(self.data["examples"])
        tiny_neutral().to_parquet(self.data["neutral"])
        self.importance, self.space = folder / "importance.safetensors", folder / "space.safetensors"
        self.base_model = base_model_settings(save_tiny_model(folder / "base"), model_digest="abc")
        self.for_importance = CacheImportance(self.base_model, None, list(CLASSES), 8, "diff", "signed_mean", 0)
        self.for_rows = CacheGradients(self.base_model, None, False, 0)

    def measure(self, **options: Any) -> str:
        settings = options.pop("settings", self.for_importance)
        return cache_importance.run(settings=settings, examples=self.data["examples"], out=self.importance, **options)

    def prune(self, topk: float | None = 0.1, threshold: float | None = None) -> ParameterSpace:
        pre_prune.run(settings=PrePrune(topk, threshold, None, None), importance=self.importance, out=self.space)
        return ParameterSpace.load(self.space)

    def cache(self, out: str = "gradients", **options: Any) -> str:
        settings = options.pop("settings", self.for_rows)
        inputs = {**self.data, "space": self.space, "partial": self.folder / "partial", "out": self.folder / out}
        return cache_gradients.run(settings=settings, **inputs, **options)

    def stored(self, split: str, out: str = "gradients") -> StoredRows:
        return StoredRows(self.folder / out / split, ParameterSpace.load(self.space), split)

    def live(self, split: str, batch_size: int = 32, settings: CacheGradients | None = None) -> Any:
        return open_split(
            settings or self.for_rows,
            ParameterSpace.load(self.space),
            self.data["examples"],
            split,
            batch_size,
            neutral=self.data["neutral"],
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """After importance, pruning and gradients; not to be changed."""
    files = Files(tmp_path_factory.mktemp("stages"))
    files.measure()
    files.prune()
    files.cache()
    return files


def test_the_importance_is_a_tensor_for_each_parameter_in_model_order(done: Files) -> None:
    base = tiny_masked_lm()
    with safe_open(done.importance, framework="pt") as file:
        assert json.loads(file.metadata()["gradiend"])["about"]["order"] == list(base.parameters())
        about = json.loads(file.metadata()["gradiend"])["about"]["about"]
        for name, parameter in base.parameters().items():
            assert file.get_tensor(name).shape == parameter.shape
    assert about["base_model"] == str(done.folder / "base")
    assert about["base_model_digest"] == "abc"
    assert about["embeddings"] == ["bert.embeddings.word_embeddings.weight"]


def test_the_importance_stage_says_what_it_did(files: Files) -> None:
    entries = sum(parameter.numel() for parameter in tiny_masked_lm().parameters().values())
    assert files.measure() == f"cache_importance: signed_mean of {entries} entries from 8 examples"


def test_more_samples_than_there_are_examples_are_said_to_be_too_many(files: Files) -> None:
    train = tiny_examples().query("split == 'train'")["factual_class"].value_counts()
    most = 2 * int(train[list(CLASSES)].min())
    line = files.measure(settings=dataclasses.replace(files.for_importance, n_samples=most + 2))
    remark = f"(n_samples is {most + 2}, the rarer transition has no more training examples)"
    assert line.endswith(f"from {most} examples {remark}")


def test_only_the_selected_parameters_have_an_importance(files: Files) -> None:
    files.measure(settings=dataclasses.replace(files.for_importance, params=["*layer.1.output*", "*query.bias"]))
    tensors, _ = pre_prune.read_importance(files.importance)
    assert len(tensors) == 6
    assert set(files.prune().shapes) == set(tensors)
    with pytest.raises(GradiendError, match=r"params: 'bert\.layer' matches no backbone parameter"):
        files.measure(settings=dataclasses.replace(files.for_importance, params=["bert.layer"]))


def test_the_importance_does_not_depend_on_the_eval_batch_size(files: Files) -> None:
    found = []
    for size in (1, 32):
        files.measure(eval_batch_size=size)
        tensors, about = pre_prune.read_importance(files.importance)
        found.append(ParameterSpace.of(tensors, about).gather(tensors))
    assert relative_error(found[0], found[1]) < FLOAT32


def test_the_most_important_entries_are_kept(done: Files) -> None:
    space = ParameterSpace.load(done.space)
    tensors, about = pre_prune.read_importance(done.importance)
    full = ParameterSpace.of(tensors)
    assert space.input_dim == round(0.1 * full.input_dim)
    kept, mask = full.gather(tensors)[space.positions_in(full)], torch.ones(full.input_dim, dtype=torch.bool)
    mask[space.positions_in(full)] = False
    assert kept.min() >= full.gather(tensors)[mask].max()
    assert space.about == {**about, "pre_pruning": {"topk": 0.1, "threshold": None}}


def test_a_threshold_keeps_what_reaches_it(files: Files) -> None:
    files.measure()
    tensors, _ = pre_prune.read_importance(files.importance)
    threshold = 0.01
    assert files.prune(None, threshold).input_dim == sum(int((t >= threshold).sum()) for t in tensors.values())


def test_without_an_importance_the_space_is_all_of_the_selected_parameters(files: Files) -> None:
    settings = PrePrune(None, None, files.base_model, ["*layer.0*"])
    line = pre_prune.run(settings=settings, out=files.space)
    space = ParameterSpace.load(files.space)
    names = [name for name in tiny_masked_lm().parameters() if "layer.0" in name]
    assert list(space.shapes) == names
    assert set(space.kept.values()) == {None}
    assert line == f"pre_prune: {space.input_dim} of {space.input_dim} entries kept (100 %)"
    assert space.about["base_model_digest"] == "abc"
    with pytest.raises(GradiendError, match="base_model is missing"):
        pre_prune.run(settings=PrePrune(None, None, None, None), out=files.space)


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_broken_importance_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "importance.safetensors").write_bytes(content)
    with pytest.raises(GradiendError, match=r"importance\.safetensors: not a readable importance file"):
        pre_prune.run(
            settings=PrePrune(1, None, None, None), importance=tmp_path / "importance.safetensors", out=tmp_path / "out"
        )


def test_examples_that_are_all_too_long_make_no_importance(files: Files) -> None:
    tiny_examples().assign(masked="the " * 40 + "[MASK]").to_parquet(files.data["examples"])
    dropping = dataclasses.replace(files.base_model, too_long="drop")
    with pytest.raises(GradiendError, match="can use none of the examples"):
        files.measure(settings=dataclasses.replace(files.for_importance, base_model=dropping))


def test_there_is_a_row_for_each_batch_of_train_and_each_other_example(done: Files) -> None:
    examples = tiny_examples()
    for split, count in SPLITS.items():
        table = done.stored(split).table
        assert len(table) == count
        if split in ("validation", "test"):
            own = examples[examples["split"] == split]
            assert [ids.tolist() for ids in table["example_ids"]] == [[i] for i in own["id"]]
            assert table["factual_class"].tolist() == own["factual_class"].tolist()
    train = done.stored("train").table
    by_batch = examples[examples["split"] == "train"].groupby("batch")["id"].agg(list)
    assert [ids.tolist() for ids in train["example_ids"]] == by_batch.tolist()
    assert set(done.stored("neutral").table["factual_class"]) == {"neutral"}


def test_stored_rows_equal_autograd(done: Files) -> None:
    base, examples = tiny_masked_lm(), tiny_examples()
    pairs = dict(zip(examples["id"], tiny_pairs(base, examples), strict=True))
    for split in ("train", "validation", "test"):
        rows = done.stored(split)
        for number, ids in enumerate(rows.table["example_ids"]):
            true = [
                autograd_rows(base, rows.space, [slots[which] for slots in own]).mean(0)
                for own in [[(pairs[i].factual, pairs[i].alternative) for i in ids]]
                for which in (0, 1)
            ]
            assert relative_error(torch.stack(rows.pair(number)), torch.stack(true)) < FLOAT32


@pytest.mark.parametrize("batch_size", [1, 4, 32])
@pytest.mark.parametrize("split", SPLITS)
def test_live_rows_equal_stored_rows(done: Files, split: str, batch_size: int) -> None:
    stored, live = done.stored(split), done.live(split, batch_size)
    assert [list(ids) for ids in live.table["example_ids"]] == [list(ids) for ids in stored.table["example_ids"]]
    for column in ("factual_class", "alternative_class"):
        assert live.table[column].tolist() == stored.table[column].tolist()
    for row in range(len(stored.table)):
        assert relative_error(torch.stack(live.pair(row)), torch.stack(stored.pair(row))) < FLOAT32
    every = range(len(stored.table))
    found, true = (torch.cat([torch.cat(block) for block in rows.blocks(every)]) for rows in (live, stored))
    assert found.shape == true.shape
    assert sorted(found.norm(dim=1).tolist()) == pytest.approx(sorted(true.norm(dim=1).tolist()), rel=1e-5)


def test_stored_rows_do_not_depend_on_the_eval_batch_size(done: Files) -> None:
    done.cache("one by one", eval_batch_size=1)
    for split, count in SPLITS.items():
        one, other = done.stored(split), done.stored(split, "one by one")
        for row in range(count):
            assert relative_error(torch.stack(other.pair(row)), torch.stack(one.pair(row))) < FLOAT32


def test_the_gradient_stage_says_what_it_wrote(done: Files) -> None:
    line = done.cache("again")
    size = ParameterSpace.load(done.space).input_dim
    assert line == f"cache_gradients: rows of {size} entries: 5 train, 7 validation, 5 test, 3 neutral (0 MiB)"


def test_without_neutral_texts_their_store_is_empty(files: Files) -> None:
    files.measure()
    files.prune(5)
    tiny_neutral()[:0].to_parquet(files.data["neutral"])
    assert "0 neutral" in files.cache()
    assert len(files.stored("neutral").table) == 0
    assert len(files.live("neutral").table) == 0


def test_no_more_rows_are_stored_than_any_evaluation_reads(files: Files) -> None:
    files.measure()
    files.prune(5)
    capped = dataclasses.replace(files.for_rows, evaluation_max_size=4, encoder_eval_balance=True)
    files.cache(settings=capped)
    counts = files.stored("validation").table["factual_class"].value_counts().to_dict()
    assert counts == {"female": 1, "male": 1, "plural": 1}
    assert len(files.stored("train").table) == SPLITS["train"]
    assert len(files.live("validation", settings=capped).table) == 3


def test_texts_that_are_too_long_are_dropped_and_counted(files: Files) -> None:
    files.measure()
    files.prune(5)
    examples = tiny_examples()
    long = examples["id"].isin([1, 5, 6, 11])  # one of batch 0, all of batch 2, and one of validation
    examples.loc[long, "masked"] = "the " * 40 + "[MASK]"
    examples.to_parquet(files.data["examples"])
    with pytest.raises(GradiendError, match=r"example 1 \(.*\): 43 tokens, the base model allows 24"):
        files.cache()
    dropping = dataclasses.replace(files.for_rows, base_model=dataclasses.replace(files.base_model, too_long="drop"))
    line = files.cache(settings=dropping)
    assert line.endswith("; dropped, too long or without a token before the slot: 3 train, 1 validation")
    assert [ids.tolist() for ids in files.stored("train").table["example_ids"]] == [[0], [2, 3, 4], [7, 8, 9], [10]]
    assert len(files.stored("validation").table) == SPLITS["validation"] - 1


def test_free_disk_space_is_checked_before_anything_is_computed(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.measure()
    files.prune(1.0)
    usage = shutil.disk_usage(files.folder)._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(GradiendError, match=r"the gradient rows need .* are free"):
        files.cache()
    assert list((files.folder / "gradients").iterdir()) == []


def test_a_base_model_that_is_not_finite_fails_with_the_name_of_the_parameter(files: Files) -> None:
    base = tiny_masked_lm()
    base.parameters()["bert.encoder.layer.0.output.dense.weight"].data[0, 0] = float("nan")
    base.save_pretrained(files.folder / "base")
    with pytest.raises(GradiendError, match=r"parameter 'bert\.encoder\.layer\.0\.output\.dense\.weight' holds NaN"):
        files.measure()


def test_the_gradient_stages_are_commands(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    shared = ["--examples", str(files.data["examples"])]
    stage = ["--settings", canonical(files.for_importance), *shared, "--out", str(files.importance)]
    assert main(cache_importance.run, stage) == 0
    stage = ["--settings", canonical(PrePrune(20, None, None, None)), "--importance", str(files.importance)]
    assert main(pre_prune.run, [*stage, "--out", str(files.space)]) == 0
    stage = ["--settings", canonical(files.for_rows), *shared, "--neutral", str(files.data["neutral"])]
    stage += ["--space", str(files.space), "--eval-batch-size", "2", "--out", str(files.folder / "gradients")]
    stage += ["--partial", str(files.folder / "partial")]
    assert main(cache_gradients.run, stage) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["cache_importance", "pre_prune", "cache_gradients"]
    assert files.stored("test").space.input_dim == 20
    assert main(cache_gradients.run, [*stage, "--space", str(files.importance)]) == 1
    assert "not a space file" in capsys.readouterr().err


def best_model(folder: Path, **config: Any) -> GradiendModel:
    space = ParameterSpace.of({"a": torch.empty(4, 5), "b": torch.empty(7)}).select(torch.arange(0, 27, 2))
    model = GradiendModel(space, GradiendConfig(CLASSES, **config)).initialise(0)
    model.save_pretrained(folder / "best", training={"best_step": 4})
    return model


@pytest.mark.parametrize("part", ["encoder-weight", "decoder-weight", "decoder-bias", "decoder-sum"])
def test_post_pruning_keeps_the_most_important_entries_with_their_weights(tmp_path: Path, part: str) -> None:
    model = best_model(tmp_path, latent_dim=2)
    line = post_prune.run(settings=PostPrune(5, None, part), best=tmp_path / "best", out=tmp_path / "model")  # type: ignore[arg-type]
    assert line == "post_prune: 5 of 14 entries kept"
    pruned = GradiendModel.from_pretrained(tmp_path / "model")
    positions = kept_positions(weight_importance(model, part), 5, None)
    assert torch.equal(pruned.space.positions_in(model.space), positions)
    assert torch.equal(pruned.encoder.weight, model.encoder.weight[:, positions])
    assert torch.equal(pruned.update(1.0), model.update(1.0)[positions])
    assert read_json(tmp_path / "model" / "training.json") == {"best_step": 4}


def test_without_post_pruning_the_model_is_a_copy(tmp_path: Path) -> None:
    best_model(tmp_path)
    post_prune.run(settings=PostPrune(None, None, None), best=tmp_path / "best", out=tmp_path / "model")
    for file in (tmp_path / "best").iterdir():
        assert (tmp_path / "model" / file.name).read_bytes() == file.read_bytes()


def test_a_post_pruned_space_lies_in_the_space_of_the_stored_rows(done: Files, tmp_path: Path) -> None:
    rows = done.stored("validation")
    GradiendModel(rows.space, GradiendConfig(CLASSES)).initialise(0).save_pretrained(tmp_path / "best", training={})
    post_prune.run(settings=PostPrune(0.2, None, "decoder-weight"), best=tmp_path / "best", out=tmp_path / "model")
    pruned = GradiendModel.from_pretrained(tmp_path / "model")
    tensors = {name: np.prod(shape) for name, shape in rows.space.shapes.items()}
    numbered = {name: torch.arange(int(size)) for name, size in tensors.items()}
    positions = pruned.space.positions_in(rows.space)
    assert torch.equal(pruned.space.gather(numbered), rows.space.gather(numbered)[positions])
    assert pruned.space.about == rows.space.about


def test_examples_come_back_from_parquet_as_they_were(done: Files) -> None:
    pd.testing.assert_frame_equal(pd.read_parquet(done.data["examples"]), tiny_examples())
