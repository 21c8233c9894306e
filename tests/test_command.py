"""Stages as commands: options from the signature, one line of result or of error."""

import gc
import importlib
import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import gradiend.stages
from gradiend.errors import GradiendError
from gradiend.files import replacing
from gradiend.records import read_record
from gradiend.settings import SelectSeed, canonical
from gradiend.stages import post_prune
from gradiend.stages.command import main

SETTINGS = SelectSeed("correlation", 0.5, 1, 3)
SEEN: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def fresh() -> None:
    SEEN.clear()


def stage(
    *,
    settings: SelectSeed,
    train_rows: Path | None = None,
    files: list[Path],
    seeds: list[int],
    seed: int,
    rate: float = 0.5,
    device: str | None = None,
    eval_batch_size: int = 32,
    out: Path,
) -> str:
    """Remember what came in."""
    SEEN.update(locals())
    return "stage: done"


def refuses(*, out: Path) -> str:
    raise GradiendError(f"{out}: broken\nin two lines")


def options(*more: str) -> Sequence[str]:
    return [
        "--settings",
        canonical(SETTINGS),
        "--files",
        "a",
        "b c",
        "--seeds",
        "3",
        "4",
        "--seed",
        "7",
        "--out",
        "o",
        *more,
    ]


def test_every_keyword_is_an_option_of_its_type() -> None:
    assert main(stage, options("--rate", "1e-3", "--device", "cpu", "--train-rows", "r", "--eval-batch-size", "4")) == 0
    expected = {"settings": SETTINGS, "files": [Path("a"), Path("b c")], "seeds": [3, 4], "seed": 7, "out": Path("o")}
    assert expected | {"rate": 1e-3, "device": "cpu", "train_rows": Path("r"), "eval_batch_size": 4} == SEEN


def test_what_is_left_out_has_its_default() -> None:
    assert main(stage, options()) == 0
    assert (SEEN["rate"], SEEN["device"], SEEN["train_rows"], SEEN["eval_batch_size"]) == (0.5, None, None, 32)


@pytest.mark.parametrize("option", ["--train-rows", "--device"])
def test_an_optional_option_without_a_value_is_none(option: str) -> None:
    assert main(stage, [option, *options()]) == 0
    assert SEEN[option.strip("-").replace("-", "_")] is None


def test_a_list_may_be_empty() -> None:
    assert main(stage, ["--settings", canonical(SETTINGS), "--files", "--seeds", "--seed", "1", "--out", "o"]) == 0
    assert (SEEN["files"], SEEN["seeds"]) == ([], [])


def test_a_record_says_what_made_the_results(tmp_path: Path) -> None:
    path = tmp_path / "records" / "stage.json"
    assert main(stage, options("--record", str(path), "abc")) == 0
    found = read_record(path)
    assert found is not None and found.is_of(canonical(SETTINGS), "abc")
    assert "record" not in SEEN


def test_the_result_is_one_line_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(stage, options()) == 0
    assert capsys.readouterr().out == "stage: done\n"


def test_a_mistake_is_one_line_on_standard_error_and_exit_code_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(refuses, ["--out", "o.json"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: o.json: broken in two lines\n")


@pytest.mark.parametrize("text", ["{", "[]", '{"max_seeds": 0}'])
def test_wrong_settings_are_a_mistake(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(stage, ["--settings", text, *options()[2:]]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: --settings: ")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("wrong", [["--outt", "o"], ["--ra", "1"], ["--seed", "one"]])
def test_an_option_that_does_not_exist_or_does_not_fit_is_refused(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(stage, options(*wrong))
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_an_option_without_a_default_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(stage, options()[:-2])
    assert "--out" in capsys.readouterr().err


def test_help_of_a_module_that_is_run_names_the_stage() -> None:
    asked = [sys.executable, "-m", "gradiend.stages.link_shared", "--help"]
    assert "usage: gradiend link_shared" in subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def test_help_says_what_the_stage_does_and_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(post_prune.run, ["--help"])
    shown = capsys.readouterr().out
    assert caught.value.code == 0
    assert "usage: gradiend post_prune" in shown
    assert "The selected GRADIEND" in shown
    assert all(option in shown for option in ("--settings", "--best", "--out"))


FULL = {
    "GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nGPU 0 has ..."),
    "main": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
}


@pytest.mark.parametrize("kind", FULL)
def test_memory_that_is_full_is_one_line_that_says_what_to_lower(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> str:
        raise FULL[kind]

    assert main(full, []) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: out of {kind} memory: lower training_arguments.eval_batch_size, set torch_dtype")


def test_an_error_that_is_no_mistake_of_the_user_is_not_hidden() -> None:
    def broken(*, out: Path) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main(broken, ["--out", "o"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_stage_with_one_line_and_leaves_nothing_half_done(
    number: signal.Signals, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*, out: Path) -> str:
        with replacing(out) as temporary:
            temporary.touch()
            signal.raise_signal(number)
        return "never"

    before = signal.getsignal(number)
    assert main(stopped, ["--out", str(tmp_path / "o")]) == code
    assert capsys.readouterr() == ("", "interrupted\n")
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) == before


def test_warnings_are_logged() -> None:
    main(stage, options())
    assert logging.getLogger("py.warnings").handlers or logging.getLogger().handlers


def test_the_collector_of_garbage_rests_while_a_stage_is_imported_and_not_while_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []

    def run(*, seed: int) -> str:
        found.append((gc.isenabled(), gc.get_freeze_count() > 0))
        return "done"

    importlib.reload(gradiend.stages)
    assert gc.isenabled()  # in a process of the user, as here
    monkeypatch.setattr(sys, "argv", ["-m"])
    try:
        importlib.reload(gradiend.stages)
        assert not gc.isenabled()
        assert main(run, ["--seed", "1"]) == 0
    finally:
        gc.unfreeze()
        gc.enable()
    assert found == [(True, True)]
