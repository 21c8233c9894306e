"""The train stage: files, options, and its one line of result."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import base_model_settings, random_space, save_tiny_model, tiny_examples, tiny_masked_lm, tiny_neutral
from training_rows import small_space, store, train_settings, transitions

from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.model import GradiendModel
from gradiend.settings import CacheGradients, Train, canonical
from gradiend.stages.cache_gradients import run as cache_gradients
from gradiend.stages.command import main
from gradiend.stages.train import run

KEYS = {
    *("curves", "arguments", "best_step", "training_score", "loss", "learning_rate"),
    *("steps", "seed", "warnings"),
}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """The stage's inputs: a space, and stores of training and validation rows."""
    small_space().save(tmp_path / "space.safetensors")
    store(tmp_path / "train", transitions(6, 5), seed=1)
    store(tmp_path / "validation", transitions(8, 9), seed=2)
    return {
        "space": tmp_path / "space.safetensors",
        "train_rows": tmp_path / "train" / "rows.parquet",
        "validation_rows": tmp_path / "validation" / "rows.parquet",
    }


def outputs(folder: Path, seed: int) -> dict[str, Path]:
    return {"out": folder / f"seeds/seed_{seed}/model", "training": folder / f"seeds/seed_{seed}/training.json"}


def trained(
    inputs: dict[str, Path], folder: Path, keep_seed_runs: int = 1, **arguments: Any
) -> tuple[str, GradiendModel, Any]:
    """The stage's line, the model it wrote, and training.json, for seed 1."""
    files: dict[str, Any] = {**inputs, **outputs(folder, 1)}
    line = run(settings=train_settings(**arguments), seed=1, keep_seed_runs=keep_seed_runs, **files)
    return line, GradiendModel.from_pretrained(files["out"]), read_json(files["training"])


def test_the_stage_writes_a_model_that_loads_and_training_json_twice(inputs: dict[str, Path], tmp_path: Path) -> None:
    line, model, content = trained(inputs, tmp_path)
    assert content == read_json(tmp_path / "seeds/seed_1/model/training.json")
    assert set(content) == KEYS
    assert content["seed"] == model.config.made_by["seed"] == 1
    assert content["arguments"] == json.loads(canonical(train_settings()))
    assert content["steps"] == content["curves"][-1]["step"] == 4 * 2 * 6
    assert model.space.digest == small_space().digest
    shown = f"correlation {model.config.correlation:.2f}"
    assert re.fullmatch(rf"seed 1: 48 steps, best step \d+, {shown} \(validation, n = 16\), loss \S+", line)


def test_the_line_says_when_the_correlation_is_of_training_rows_or_there_is_none(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    assert "(train, n = 11)" in trained(inputs, tmp_path, do_eval=False)[0]
    by_loss = {"supervised_decoder": True, "convergent_metric": "loss", "convergent_score_threshold": 1.0}
    assert "correlation" not in trained(inputs, tmp_path, **by_loss)[0]
    store(tmp_path / "validation", transitions(3, 3), scale=0.0)
    assert "correlation null (validation, n = 6)" in trained(inputs, tmp_path)[0]


def test_validation_rows_are_not_needed_without_evaluation(inputs: dict[str, Path], tmp_path: Path) -> None:
    with_rows = trained(inputs, tmp_path / "a", do_eval=False)[1]
    del inputs["validation_rows"]
    without = trained(inputs, tmp_path / "b", do_eval=False)[1]
    assert torch.equal(with_rows.encoder.weight, without.encoder.weight)


def test_rows_that_are_neither_stored_nor_computed_are_an_error(inputs: dict[str, Path], tmp_path: Path) -> None:
    del inputs["validation_rows"]
    with pytest.raises(GradiendError, match="no validation rows: give --validation-rows, or --examples"):
        trained(inputs, tmp_path)


def test_rows_computed_by_the_base_model_train_the_same_model_as_stored_ones(tmp_path: Path) -> None:
    random_space(tiny_masked_lm(), 0.3).save(tmp_path / "space.safetensors")
    tiny_examples().to_parquet(tmp_path / "examples.parquet")
    tiny_neutral().to_parquet(tmp_path / "neutral.parquet")
    paths: dict[str, Any] = {name: tmp_path / f"{name}.parquet" for name in ("examples", "neutral")}
    space, base_model = tmp_path / "space.safetensors", base_model_settings(save_tiny_model(tmp_path / "base"))
    live = CacheGradients(base_model, evaluation_max_size=None, encoder_eval_balance=True, seed=0)
    cache_gradients(settings=live, **paths, space=space, partial=tmp_path / "partial", out=tmp_path / "gradients")
    stored: dict[str, Any] = {f"{s}_rows": tmp_path / f"gradients/{s}/rows.parquet" for s in ("train", "validation")}
    settings = train_settings(max_steps=12, eval_steps=4)
    files: list[dict[str, Any]] = [outputs(tmp_path, 0), outputs(tmp_path, 1)]
    run(settings=settings, seed=0, space=space, **stored, **files[0])
    run(settings=replace(settings, live=live), seed=0, space=space, examples=paths["examples"], **files[1])
    with_store, without = (GradiendModel.from_pretrained(own["out"]) for own in files)
    for found, wanted in zip(without.parameters(), with_store.parameters(), strict=True):
        assert float((found - wanted).detach().norm() / wanted.detach().norm()) < 1e-3
    assert without.config.correlation == pytest.approx(with_store.config.correlation, abs=1e-3)


@pytest.mark.parametrize(
    ("only_best", "delete", "wanted"),
    [(False, False, {"step_16", "step_32", "step_48"}), (True, False, None), (False, True, set()), (True, True, set())],
)
def test_checkpoints_are_kept_as_the_arguments_say(
    inputs: dict[str, Path], tmp_path: Path, only_best: bool, delete: bool, wanted: set[str] | None
) -> None:
    folder = tmp_path / "seeds/seed_1/checkpoints"
    (folder / "step_99").mkdir(parents=True)  # of an earlier run
    arguments = {"save_strategy": "steps", "save_steps": 16, "save_only_best": only_best, "delete_models": delete}
    trained(inputs, tmp_path, **arguments)
    found = {path.name for path in folder.iterdir()} if folder.exists() else set()
    assert found == wanted if wanted is not None else len(found) == 1
    for name in found:
        assert GradiendModel.from_pretrained(folder / name).config.made_by["seed"] == 1


def test_checkpoints_go_where_seed_runs_are_not_kept(inputs: dict[str, Path], tmp_path: Path) -> None:
    trained(inputs, tmp_path, keep_seed_runs=0, save_strategy="steps", save_steps=16, save_only_best=False)
    assert {path.name for path in (tmp_path / "seeds/seed_1").iterdir()} == {"model", "training.json"}


def test_a_foreign_file_among_the_checkpoints_stays(inputs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "seeds/seed_1/checkpoints/step_99").mkdir(parents=True)
    (tmp_path / "seeds/seed_1/checkpoints/notes.txt").touch()
    trained(inputs, tmp_path, save_strategy="steps", save_steps=16)
    names = {path.name for path in (tmp_path / "seeds/seed_1/checkpoints").iterdir()}
    assert "notes.txt" in names and "step_99" not in names and len(names) == 2


def test_without_save_strategy_steps_earlier_checkpoints_are_gone_too(inputs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "seeds/seed_1/checkpoints/step_99").mkdir(parents=True)
    trained(inputs, tmp_path)
    assert not (tmp_path / "seeds/seed_1/checkpoints").exists()


def test_warnings_are_logged_and_written(
    inputs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = trained(inputs, tmp_path, activation_encoder="gelu")[2]
    assert content["warnings"] == [record.message for record in caplog.records]
    assert "'gelu' is not odd" in content["warnings"][0]


def options(settings: Train, **values: Any) -> list[str]:
    given = {"settings": canonical(settings), **values}
    return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def test_the_command_trains_and_a_failing_training_leaves_no_model(
    inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = outputs(tmp_path, 3), outputs(tmp_path, 4)
    assert main(run, options(train_settings(), seed=3, **inputs, **good)) == 0
    assert capsys.readouterr().out.startswith("seed 3: 48 steps, best step ")
    diverging = train_settings(learning_rate=1e30, activation_encoder="id")
    assert main(run, options(diverging, seed=4, **inputs, **bad)) == 1
    assert "lower learning_rate" in capsys.readouterr().err
    assert not bad["out"].exists()
    assert not bad["training"].exists()


@pytest.mark.slow
def test_the_stage_needs_neither_transformers_nor_the_compiler_of_torch(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    code = (
        "import sys; from gradiend.stages.command import main; from gradiend.stages.train import run; "
        "assert main(run, sys.argv[1:]) == 0; assert not {'transformers', 'torch._dynamo'} & set(sys.modules)"
    )
    arguments = options(train_settings(max_steps=2), seed=0, **inputs, **outputs(tmp_path, 0))
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
