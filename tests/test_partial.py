"""A training that is interrupted goes on to the very same result; foreign and broken states are refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import killed_after
from training_rows import small_space, store, train_settings, transitions

import gradiend.loop
import gradiend.partial
from gradiend.errors import GradiendError
from gradiend.gradients.rows import StoredRows
from gradiend.interruption import deferred
from gradiend.partial import Partial, State
from gradiend.settings import canonical
from gradiend.stages.train import run as run_train
from gradiend.training import Trained, train

MODES: list[dict[str, Any]] = [
    {},
    {"optim": "adam", "latent_dim": 3},
    {"eval_strategy": "no"},
    {"convergent_metric": "loss", "convergent_score_threshold": 1.0},
    {"supervised_encoder": True},
    {"supervised_decoder": True, "convergent_metric": "loss", "convergent_score_threshold": 1.0},
    {"save_strategy": "steps", "save_steps": 4},
]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredRows, StoredRows]:
    folder = tmp_path_factory.mktemp("rows")
    training = store(folder / "train", transitions(7, 5, neuter=3), seed=1)
    return training, store(folder / "validation", transitions(8, 6, neuter=4), seed=2)


def trained(rows: tuple[StoredRows, StoredRows], partial: Partial | None = None, **arguments: Any) -> Trained:
    saved: list[int] = []
    settings = train_settings(**arguments)
    return train(settings, small_space(), *rows, 3, partial=partial, save_checkpoint=lambda step, _: saved.append(step))


def same(one: Trained, other: Trained) -> bool:
    weights = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    told = [
        (found.curves, found.best_step, found.training_score, found.loss, found.model.config) for found in (one, other)
    ]
    return all(torch.equal(a, b) for a, b in weights) and told[0] == told[1]


@pytest.mark.parametrize("arguments", MODES, ids=lambda mode: "-".join(mode) or "default")
@pytest.mark.parametrize("steps", [1, 10, 41])
def test_a_killed_training_goes_on_to_the_very_same_result(
    rows: tuple[StoredRows, StoredRows],
    arguments: dict[str, Any],
    steps: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "train.safetensors"
    with killed_after(steps, monkeypatch):
        trained(rows, Partial(path, "mine"), **arguments)
    begun: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(gradiend.loop.LOG, "info", lambda *found: begun.append(found[2]))
        again = trained(rows, Partial(path, "mine"), **arguments)
    assert begun == [steps]
    assert same(again, trained(rows, **arguments))


def test_a_training_killed_again_and_again_comes_to_the_same_end(
    rows: tuple[StoredRows, StoredRows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = Partial(tmp_path / "train.safetensors", "mine")
    for steps in (3, 1, 9, 12, 7):
        with killed_after(steps, monkeypatch):
            trained(rows, partial)
    state = partial.load()
    assert state is not None and state.values["step"] == 32
    assert same(trained(rows, partial), trained(rows))


def test_a_state_of_another_identity_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "train.safetensors"
    Partial(path, "mine").save(State({"a": torch.ones(2)}, {"step": 1}))
    assert Partial(path, "mine").is_usable()
    assert Partial(path, "yours").load() is None
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_broken_state_is_named_and_not_used(content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "train.safetensors"
    path.write_bytes(content)
    with caplog.at_level("INFO"):
        assert Partial(path, "mine").load() is None
    assert "begun anew" in caplog.text


def test_a_state_comes_back_as_it_was_and_can_be_cleared(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "folder" / "train.safetensors", "mine")
    tensors = {"a": torch.rand(3, 2), "b": torch.tensor(7.0)}
    values = {"step": 3, "curves": [{"loss": 0.1 + 0.2, "correlation": None}]}
    partial.save(State(tensors, values))
    state = partial.load()
    assert state is not None and state.values == values
    assert all(torch.equal(state.tensors[name], tensor) for name, tensor in tensors.items())
    (tmp_path / "folder" / ".train.safetensors.123.partial").write_text("what a kill left")
    partial.clear()
    assert not list((tmp_path / "folder").iterdir())


def test_saving_is_due_by_the_time_that_a_kill_would_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = Partial(tmp_path / "train.safetensors", "mine")
    assert not partial.due
    began = time.monotonic()
    monkeypatch.setattr(gradiend.partial.time, "monotonic", lambda: began + 61)
    assert partial.due


def test_a_signal_waits_until_the_state_is_saved() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with deferred() as signals:
            os.kill(os.getpid(), signal.SIGTERM)
            assert signals.wants_state and not seen
            signals.obey()
            assert seen == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGTERM)
        assert len(seen) == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_that_came_too_late_for_the_loop_acts_at_its_end() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            assert not seen
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_sigusr1_asks_for_a_state_and_for_no_end() -> None:
    with deferred() as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signals.wants_state
        signals.obey()
        assert not signals.wants_state


def test_a_folder_in_the_place_of_a_state_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match="is a folder"):
        Partial(tmp_path, "mine").load()


def test_a_state_of_other_rows_is_not_used_though_examples_and_space_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_space().save(tmp_path / "space.safetensors")
    store(tmp_path / "validation", transitions(8, 6), seed=2)
    (tmp_path / "examples.parquet").write_text("the rule names them, stored rows or not")
    inputs = {"space": tmp_path / "space.safetensors", "examples": tmp_path / "examples.parquet"}
    inputs |= {f"{split}_rows": tmp_path / split / "rows.parquet" for split in ("train", "validation")}

    def train_stage(name: str, partial: Path | None) -> bytes:
        files = {"out": tmp_path / name / "model", "training": tmp_path / name / "training.json"}
        run_train(settings=train_settings(), seed=0, partial=partial, **inputs, **files)
        return (tmp_path / name / "model" / "model.safetensors").read_bytes()

    state = tmp_path / "state.safetensors"
    store(tmp_path / "train", transitions(7, 5), seed=1)
    with killed_after(9, monkeypatch):
        train_stage("killed", state)
    assert state.exists()
    store(tmp_path / "train", transitions(7, 5), seed=3)
    assert train_stage("killed", state) == train_stage("fresh", None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stage_that_is_told_to_stop_saves_and_goes_on_later(tmp_path: Path, number: signal.Signals) -> None:
    small_space().save(tmp_path / "space.safetensors")
    store(tmp_path / "train", transitions(7, 5), seed=1)
    store(tmp_path / "validation", transitions(8, 6), seed=2)
    settings = train_settings(max_steps=12_000, eval_steps=6_000)
    options = ["--settings", canonical(settings), "--seed", "0", "--space", "space.safetensors"]
    options += ["--train-rows", "train/rows.parquet", "--validation-rows", "validation/rows.parquet"]

    def start(name: str) -> subprocess.Popen[bytes]:
        own = ["--out", f"{name}/model", "--training", f"{name}/training.json", "--partial", f"{name}.partial"]
        command = [sys.executable, "-m", "gradiend.stages.train", *options, *own]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)

    stopped = start("stopped")
    assert stopped.stderr is not None
    shown = b""
    while b"step" not in shown:  # the bar's first line has no end yet
        shown += os.read(stopped.stderr.fileno(), 1000)
        assert stopped.poll() is None
    stopped.send_signal(number)
    stopped.communicate(timeout=60)
    assert stopped.returncode == 128 + number
    assert (tmp_path / "stopped.partial").exists() and not (tmp_path / "stopped").exists()
    again, whole = start("stopped"), start("whole")
    text = again.communicate(timeout=60)[1]
    whole.communicate(timeout=60)
    assert b"goes on after step" in text
    assert not (tmp_path / "stopped.partial").exists()
    for name in ("model/model.safetensors", "model/config.json", "training.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
