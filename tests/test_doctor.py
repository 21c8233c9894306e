"""`gradiend doctor`: what it finds before anything long starts."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from experiment import Experiment

from gradiend import doctor
from gradiend.cli import main

SHARED = Path(os.environ.get("GRADIEND_SHARED", "none"))


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.chdir(tmp_path)
    return Experiment.new(tmp_path)


def outcome(capsys: pytest.CaptureFixture[str], config: str = "config.yaml") -> tuple[int, str, str]:
    code = main(["doctor", config])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_an_experiment_that_would_run_is_told_so(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, errors = outcome(capsys)
    assert (code, errors) == (0, "")
    assert shown.splitlines()[-1] == "nothing stands in the way"
    assert re.search(r"machine: \d+ cores, [\d.]+ GiB of memory, [\d.]+ GiB free for out, GPUs: ", shown)
    assert "rows: 27 train, 27 validation, 27 test, 24 neutral, of 132 examples" in shown
    assert re.search(r"in batches of 1 and of 8: relative error [\d.]+e-0[5-9], they agree", shown)
    assert not experiment.path().exists()


@pytest.mark.parametrize(("rate", "stage"), [("auto", "train"), ("tune", "tune_learning_rate")])
def test_the_largest_job_is_one_that_the_run_has(
    experiment: Experiment, capsys: pytest.CaptureFixture[str], rate: str, stage: str
) -> None:
    experiment.write(experiment.config({"training_arguments__learning_rate": rate}))
    assert re.search(rf"memory: [\d.]+ GB for {stage}, the largest job", outcome(capsys)[1])


def test_half_precision_is_what_is_compared_where_it_is_configured(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment.write(experiment.config({"training_arguments__torch_dtype": "bfloat16"}))
    assert "eight rows in bfloat16" in outcome(capsys)[1]


def test_a_disk_that_is_too_small_is_an_error(
    experiment: Experiment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(".")._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    code, shown, errors = outcome(capsys)
    assert code == 1 and shown.endswith("this experiment would fail\n")
    assert re.search(r"error: out: the gradient rows need [\d.]+ MiB and 0.0 MiB are free: prune more", errors)


def test_a_machine_without_the_memory_is_an_error(
    experiment: Experiment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_memory", lambda: 10**9)
    code, _, errors = outcome(capsys)
    assert code == 1 and "and the machine has 0.9 GiB: lower eval_batch_size" in errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "./modle"}, "model: './modle': no such folder, and not a Hugging Face id"),
        ({"model": "nobody/nothing"}, "base model 'nobody/nothing': cannot be loaded"),
        ({"data__source": "none.csv"}, "none.csv: no such file"),
        ({"training_arguments__params": ["*nothing*"]}, "params: '*nothing*' matches no backbone parameter"),
        ({"training_arguments__learning_rte": 1}, "unknown setting 'learning_rte'"),
    ],
)
def test_what_would_fail_is_said_in_one_line(
    experiment: Experiment, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    experiment.write(experiment.config(changes))
    code, _, errors = outcome(capsys)
    assert code == 1 and message in errors and len(errors.splitlines()) == 1


def test_a_config_that_is_not_there_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = outcome(capsys, str(tmp_path / "none.yaml"))
    assert code == 1 and errors == f"error: {tmp_path / 'none.yaml'}: no such config file\n"


def test_runs_with_the_same_rows_are_examined_once(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    runs = {
        "a": {},
        "b": {"training_arguments": {"max_steps": 7}},
        "c": {"training_arguments": {"train_batch_size": 3}},
    }
    experiment.write(experiment.config({"runs": runs}))
    shown = outcome(capsys)[1]
    assert "runs a, b:" in shown and "runs c:" in shown and shown.count("they agree") == 2


def test_rows_that_depend_on_the_batch_are_an_error(
    experiment: Experiment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "AGREE", {"float32": -1.0})
    code, shown, errors = outcome(capsys)
    assert code == 1 and "they differ" in shown and "try torch_dtype float32" in errors


@pytest.mark.skipif(not SHARED.is_dir(), reason="GRADIEND_SHARED names no folder")
def test_a_real_model_and_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {
        "experiment_dir": str(tmp_path / "out"),
        "model": str(SHARED / "models" / "minilm-mlm"),
        "data": {"source": str(SHARED / "data" / "gender_en.csv"), "neutral": str(SHARED / "data" / "neutral_en.csv")},
        "target_classes": ["F", "M"],
        "training_arguments": {"use_cached_gradients": True, "pre_prune_config": {"n_samples": 16, "topk": 0.01}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    code, shown, errors = outcome(capsys, str(tmp_path / "config.yaml"))
    assert (code, errors) == (0, "")
    assert "22.7 million parameters" in shown and "they agree" in shown
