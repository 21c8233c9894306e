"""Where nothing can be written, one line says so before anything is computed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from experiment import PROJECT, Experiment

from gradiend import GradiendError, TextPredictionTrainer, TrainingArguments

# root, who may write everywhere, without that right
BOUND = [] if os.getuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A folder that only may be read."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    return folder


@pytest.fixture
def run(locked: Path) -> Run:
    """Run Python as somebody who is bound by permissions."""
    if BOUND and shutil.which(BOUND[0]) is None:
        pytest.skip("root may write everywhere, and there is no setpriv")

    def called(*arguments: str, folder: Path = PROJECT) -> "subprocess.CompletedProcess[str]":
        command = [*BOUND, sys.executable, *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)

    return called


def test_a_folder_is_asked_for_or_the_one_above_it(run: Run, locked: Path) -> None:
    code = "import sys; from gradiend.config import unwritable; print([unwritable(name) for name in sys.argv[1:]])"
    shown = run("-c", code, str(locked), str(locked / "new" / "out"), str(locked.parent / "new")).stdout
    problem = f"\"nothing can be written to '{locked}': change its permissions, or give another folder\""
    assert shown.strip() == f"[{problem}, {problem}, None]"


@pytest.mark.slow
def test_a_read_only_experiment_can_be_planned_and_is_not_run(run: Run, tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path / "own")
    experiment.path().mkdir()
    experiment.path().chmod(0o555)
    command = (
        "-m",
        "snakemake",
        "--snakefile",
        str(experiment.snakefile),
        "--configfile",
        "config.yaml",
        "--cores",
        "1",
    )
    assert run(*command, "-n", folder=experiment.folder).returncode == 0
    ran = run(*command, folder=experiment.folder)
    assert ran.returncode == 1
    assert f"config.yaml: experiment_dir: nothing can be written to '{experiment.path()}': change" in ran.stderr
    assert "rule prepare_data" not in ran.stdout + ran.stderr
    experiment.folder.chmod(0o555)
    assert (
        "Snakemake keeps in the working directory what it remembers" in run(*command, folder=experiment.folder).stderr
    )


def test_a_trainer_needs_a_folder_that_it_may_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(GradiendError, match=f"experiment_dir: nothing can be written to '{tmp_path}': change"):
        TextPredictionTrainer("bert", "data.csv", args=TrainingArguments(experiment_dir=str(tmp_path / "new")))
