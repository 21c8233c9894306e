"""The same config gives the same bytes with the same number of threads, and the same correlations with any other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import LIMIT, seeded, story_examples, story_neutral, tiny_tokenizer
from transformers import BertConfig, BertForMaskedLM

from gradiend.config import parse_config
from gradiend.files import folder_files, read_json
from gradiend.resolution import stage_settings
from gradiend.stages import cache_gradients, evaluate_test, pre_prune, prepare_data, train

SPLITS = ("train", "validation", "test", "neutral")
Contents = dict[str, bytes]


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Data files, and a base model large enough for its sums to be split between threads."""
    folder = tmp_path_factory.mktemp("inputs")
    story_examples().to_csv(folder / "examples.csv", index=False)
    story_neutral().to_csv(folder / "neutral.csv", index=False)
    config = BertConfig(
        vocab_size=len(tiny_tokenizer()),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        max_position_embeddings=LIMIT,
    )
    seeded(lambda: BertForMaskedLM(config)).save_pretrained(folder / "model")
    tiny_tokenizer().save_pretrained(folder / "model")
    return {name: folder / name for name in ("examples.csv", "neutral.csv", "model")}


def results(inputs: dict[str, Path], out: Path) -> Contents:
    """Data, rows, a trained GRADIEND and its scores, by file."""
    arguments: dict[str, Any] = {"use_cached_gradients": True, "learning_rate": "auto", "train_batch_size": 4}
    raw = {
        "experiment_dir": "unused",
        "model": str(inputs["model"]),
        "data": {"source": str(inputs["examples.csv"]), "neutral": str(inputs["neutral.csv"])},
        "target_classes": ["female", "male"],
        "training_arguments": arguments | {"max_steps": 40, "eval_steps": 10},
    }
    config = parse_config(raw, "test")
    own: dict[str, Any] = {name: stage_settings(name, config) for name in ("prepare_data", "pre_prune", "train")}
    own |= {name: stage_settings(name, config) for name in ("cache_gradients", "evaluate_test")}
    data = {"examples": out / "examples.parquet", "neutral": out / "neutral.parquet"}
    space, rows = out / "space.safetensors", {f"{split}_rows": out / split / "rows.parquet" for split in SPLITS}
    prepare_data.run(settings=own["prepare_data"], **data, summary=out / "summary.json")
    pre_prune.run(settings=own["pre_prune"], out=space)
    cache_gradients.run(settings=own["cache_gradients"], **data, space=space, device="cpu", out=out)
    seen = {name: rows[name] for name in ("train_rows", "validation_rows")}
    model = {"out": out / "model", "training": out / "training.json"}
    train.run(settings=own["train"], seed=0, space=space, **seen, **model, device_encoder="cpu", device_decoder="cpu")
    made = {"metrics": out / "metrics.json", "encodings": out / "encodings.parquet"}
    evaluate_test.run(settings=own["evaluate_test"], model=out / "model", space=space, **rows, **made)
    return {str(path.relative_to(out)): path.read_bytes() for path in folder_files(out)}


def test_results_are_the_same_bytes_with_as_many_threads_and_the_same_correlations_with_more(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    found = {}
    for name, count in (("one", 1), ("again", 1), ("two", 2), ("two-again", 2)):
        with threads(count):
            found[name] = results(inputs, tmp_path / name)
    assert found["one"] == found["again"] and found["two"] == found["two-again"]
    one, two = (read_json(tmp_path / name / "metrics.json") for name in ("one", "two"))
    for split in ("validation", "test"):
        assert two[split]["correlation"] == pytest.approx(one[split]["correlation"], abs=1e-6)
        assert two[split]["baselines"] == pytest.approx(one[split]["baselines"], abs=1e-6)
