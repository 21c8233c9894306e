"""The control: the same training on batches drawn regardless of class, beside its random encoder."""

import errno
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from killing import counted, killed_after
from tiny import base_model_settings, random_space, save_tiny_model, tiny_examples, tiny_masked_lm, tiny_neutral

import gradiend.partial
from gradiend.config import parse_config
from gradiend.errors import GradiendError
from gradiend.examples.mixing import mixed
from gradiend.files import read_json
from gradiend.resolution import stage_settings
from gradiend.settings import CacheGradients, TrainControl
from gradiend.stages import train_control
from gradiend.stages.cache_gradients import run as cache_gradients

CONTENT = ["id", "split", "masked", "factual", "alternative"]
BASE: dict[str, Any] = {"model": "bert", "data": {"source": "a.csv"}, "target_classes": ["female", "male"]}


def many(each: int = 40, batch_size: int = 8) -> pd.DataFrame:
    """Training examples of both classes in batches of one class each, and a few of test."""
    count = 2 * each
    place = np.arange(count)
    names = np.where(place < each, "female", "male")
    train = pd.DataFrame({"id": place, "split": "train", "masked": [f"text {i}" for i in place]})
    train = train.assign(factual=names, alternative=names[::-1], factual_class=names, alternative_class=names[::-1])
    train["batch"] = pd.Series(place // batch_size, dtype="Int64")
    test = train.head(4).assign(split="test", id=range(count, count + 4), batch=pd.NA)
    return pd.concat([train, test.astype({"batch": "Int64"})], ignore_index=True)


def test_batches_mix_the_classes_and_are_as_many_and_as_large_as_before() -> None:
    before = many()
    after = mixed(before, 0)
    train = after[after["split"] == "train"]
    assert Counter(train["batch"]) == Counter(before["batch"].dropna())
    of_one_class = train.groupby("batch")["factual"].nunique().eq(1)  # the true class of these texts
    assert before.groupby("batch")["factual"].nunique().eq(1).all() and not of_one_class.any()
    assert after.dtypes.equals(before.dtypes)


def test_a_batch_is_used_where_it_was_used_before_whatever_is_in_it() -> None:
    before, after = many(), mixed(many(), 0)
    for table in (before, after):
        assert table.dropna(subset="batch").groupby("batch")["factual_class"].nunique().eq(1).all()
    places = [table.groupby("batch")["factual_class"].first().to_dict() for table in (before, after)]
    assert places[0] == places[1]


def test_texts_and_the_other_splits_stay_and_a_seed_always_draws_the_same() -> None:
    before = many()
    after = mixed(before, 3)
    assert after[CONTENT].equals(before[CONTENT])
    assert after[after["split"] == "test"].equals(before[before["split"] == "test"])
    assert mixed(before, 3).equals(after) and not mixed(before, 4).equals(after)
    assert before.equals(many())


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the stage reads, and the stored rows of validation and test."""
    folder = tmp_path_factory.mktemp("control")
    random_space(tiny_masked_lm(), 0.3).save(folder / "space.safetensors")
    tiny_examples().to_parquet(folder / "examples.parquet")
    tiny_neutral().to_parquet(folder / "neutral.parquet")
    data: dict[str, Any] = {name: folder / f"{name}.parquet" for name in ("examples", "neutral")}
    space = folder / "space.safetensors"
    rows = CacheGradients(base_model_settings(save_tiny_model(folder / "base")), None, False, 0)
    cache_gradients(settings=rows, **data, space=space, partial=folder / "partial", out=folder / "gradients")
    stored = {f"{split}_rows": folder / f"gradients/{split}/rows.parquet" for split in ("validation", "test")}
    return {"space": space, "examples": data["examples"], **stored}


def settings(inputs: dict[str, Any], **arguments: Any) -> TrainControl:
    base = str(inputs["space"].parent / "base")
    own = {"use_cached_gradients": True, "encoder_eval_balance": False, "learning_rate": "auto"}
    own |= {"max_steps": 12, "eval_steps": 4, **arguments}
    raw = BASE | {"experiment_dir": "out", "model": base, "control": {"seeds": 1}, "training_arguments": own}
    found = stage_settings("train_control", parse_config(raw, "config.yaml"))
    assert isinstance(found, TrainControl)
    return found


def run(out: Path, **options: Any) -> str:
    """The stage, with the state of an unfinished job beside its result."""
    return train_control.run(**options, partial=out.parent / ".partial" / out.with_suffix(".safetensors").name, out=out)


def test_the_stage_scores_the_control_and_its_random_encoder_on_the_same_rows(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    line = run(tmp_path / "seed_1.json", settings=settings(inputs), seed=1, **inputs)
    found = read_json(tmp_path / "seed_1.json")
    assert found["seed"] == 1 and found["curves"][-1]["step"] == found["steps"] == 12
    for split, rows in (("validation", 7), ("test", 5)):
        blocks = [found[kind][split] for kind in ("control", "random_encoder")]
        assert [block["n"] for block in blocks] == [rows, rows]
        assert all(abs(block["correlation"]) <= 1 for block in blocks)
    assert found["control"]["validation"]["correlation"] == pytest.approx(found["training_score"])  # sign and step
    assert found["random_encoder"]["validation"]["correlation"] == pytest.approx(abs(found["curves"][0]["correlation"]))
    assert line.startswith("train_control: seed 1: control ") and line.endswith(" on test (n = 5)")
    assert [path.name for path in tmp_path.rglob("*")] == [".partial", "seed_1.json"]  # no rows are left


@pytest.mark.parametrize("cached", [True, False])
def test_a_job_killed_again_and_again_goes_on_with_its_rows_and_its_steps_to_the_very_same_file(
    inputs: dict[str, Any], tmp_path: Path, cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"settings": settings(inputs, use_cached_gradients=cached), "seed": 0, "eval_batch_size": 2, **inputs}
    with counted(monkeypatch) as every:
        run(tmp_path / "undisturbed.json", **own)
    for saves in (2, 4, 3):  # in the rows, between them and the training, and in the training
        with killed_after(saves, monkeypatch):
            run(tmp_path / "killed.json", **own)
        assert not (tmp_path / "killed.json").exists()
    with counted(monkeypatch) as again:
        run(tmp_path / "killed.json", **own)
    assert (tmp_path / "killed.json").read_bytes() == (tmp_path / "undisturbed.json").read_bytes()
    assert not cached or (len(every), len(again)) == (5, 0)
    assert list((tmp_path / ".partial").iterdir()) == []


@pytest.mark.parametrize("change", ["max_steps", "eval_batch_size", "examples", "base", "validation_rows", "test_rows"])
def test_what_was_begun_with_anything_else_is_removed_and_not_taken_up(
    inputs: dict[str, Any], tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inputs["space"].parent
    shutil.copytree(folder, tmp_path / "own")
    own: dict[str, Any] = {name: tmp_path / "own" / path.relative_to(folder) for name, path in inputs.items()}
    with killed_after(7, monkeypatch):  # in the training
        run(tmp_path / "a.json", settings=settings(own), seed=0, eval_batch_size=2, **own)
    (begun,) = (tmp_path / ".partial" / "a.rows").iterdir()
    if change == "examples":
        pd.read_parquet(own["examples"]).to_parquet(own["examples"], compression=None)
    elif change == "base":
        os.utime(tmp_path / "own" / "base" / "model.safetensors", (1, 1))
    elif change.endswith("_rows"):
        os.utime(own[change].with_name("shard-0.safetensors"), (1, 1))
    arguments = {"max_steps": 11} if change == "max_steps" else {}
    batch_size = 3 if change == "eval_batch_size" else 2
    with killed_after(1, monkeypatch), counted(monkeypatch) as again:
        run(tmp_path / "a.json", settings=settings(own, **arguments), seed=0, eval_batch_size=batch_size, **own)
    assert len(again) == 1 and begun not in (tmp_path / ".partial" / "a.rows").iterdir()


def test_nothing_but_its_own_rows_is_removed(inputs: dict[str, Any], tmp_path: Path) -> None:
    own = {"settings": settings(inputs), "seed": 0, "eval_batch_size": 2, **inputs}
    notes = [tmp_path / ".partial" / name / "notes.txt" for name in ("a", "a.rows", "a.rows/more")]
    for path in notes:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    run(tmp_path / "a.json", **own)
    assert sorted(path for path in (tmp_path / ".partial").rglob("*") if path.is_file()) == sorted(notes)


@pytest.mark.parametrize("missing", ["shard-0.safetensors", "rows.parquet"])
def test_a_job_that_was_ended_while_it_removed_its_rows_goes_on(
    inputs: dict[str, Any], tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"settings": settings(inputs), "seed": 0, "eval_batch_size": 2, **inputs}
    with killed_after(7, monkeypatch):
        run(tmp_path / "a.json", **own)
    next((tmp_path / ".partial").rglob(missing)).unlink()
    run(tmp_path / "a.json", **own)
    run(tmp_path / "b.json", **own)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("place", ["train", "_scores", "write_json", "BegunShard.finish"])
def test_an_error_that_may_pass_keeps_rows_and_training(
    inputs: dict[str, Any], tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"settings": settings(inputs), "seed": 0, "eval_batch_size": 2, **inputs}

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(f"gradiend.stages.train_control.{place}", fails)
        if place == "BegunShard.finish":
            patch.setattr(gradiend.partial, "SECONDS", 0.0)  # a state of its rows is there
            patch.setattr(gradiend.partial, "LARGEST_SHARE", float("inf"))
        run(tmp_path / "a.json", **own)
    with counted(monkeypatch) as again:
        run(tmp_path / "a.json", **own)
    assert not again
    assert not [path for path in (tmp_path / ".partial").rglob("*") if path.is_file()]


def test_a_job_that_fails_leaves_no_rows(inputs: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match="lower learning_rate"):
        run(tmp_path / "a.json", settings=settings(inputs, learning_rate=1e30), seed=0, **inputs)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_rows_that_are_not_stored_give_the_same_control(inputs: dict[str, Any], tmp_path: Path) -> None:
    run(tmp_path / "stored.json", settings=settings(inputs), seed=0, **inputs)
    live = {name: path for name, path in inputs.items() if not name.endswith("_rows")}
    run(tmp_path / "live.json", settings=settings(inputs, use_cached_gradients=False), seed=0, **live)
    stored, computed = (read_json(tmp_path / f"{name}.json") for name in ("stored", "live"))
    for kind in ("control", "random_encoder"):
        for split in ("validation", "test"):
            assert computed[kind][split]["correlation"] == pytest.approx(stored[kind][split]["correlation"], abs=1e-3)


def test_a_control_is_pruned_as_the_run_itself_and_the_same_config_gives_the_same_bytes(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    own = settings(inputs, post_prune_config={"topk": 3})
    for name in ("a", "b"):
        run(tmp_path / f"{name}.json", settings=own, seed=0, **inputs)
    run(tmp_path / "whole.json", settings=settings(inputs), seed=0, **inputs)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    pruned, whole = read_json(tmp_path / "a.json"), read_json(tmp_path / "whole.json")
    assert pruned["curves"] == whole["curves"] and pruned["control"] != whole["control"]
    assert pruned["random_encoder"] == whole["random_encoder"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"supervised_encoder": True},
        {"latent_dim": 2},
        {"normalize_gradiend": False},
        {"do_eval": False},
        {"source": "diff", "target": "factual", "activation_encoder": "relu"},
        {"convergent_metric": "loss", "convergent_score_threshold": 1.0},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_in_every_mode_the_sign_of_a_control_is_that_of_validation(
    inputs: dict[str, Any], tmp_path: Path, arguments: dict[str, Any]
) -> None:
    run(tmp_path / "seed_0.json", settings=settings(inputs, **arguments), seed=0, **inputs)
    found = read_json(tmp_path / "seed_0.json")
    supervised = "supervised_encoder" in arguments  # such a sign is that of the labels that it was trained on
    for kind in ("control", "random_encoder"):
        assert found[kind]["validation"]["correlation"] >= 0 or supervised
        assert found[kind]["test"]["n"] == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"train_batch_size": 1}, "control.seeds: a batch of one example has its class however it is drawn"),
        (
            {"supervised_decoder": True, "convergent_metric": "loss", "convergent_score_threshold": 1},
            "control.seeds: compares encoders, and supervised_decoder trains none",
        ),
    ],
)
def test_a_control_that_could_say_nothing_is_refused(arguments: dict[str, Any], said: str) -> None:
    raw = BASE | {"experiment_dir": "out", "control": {"seeds": 1}, "training_arguments": arguments}
    with pytest.raises(GradiendError, match=said):
        parse_config(raw, "config.yaml")
    assert parse_config(raw | {"control": {"seeds": None}}, "config.yaml").control.seeds is None
