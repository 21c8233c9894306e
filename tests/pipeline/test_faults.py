"""A killed job leaves nothing that looks finished, and the next run gives what an undisturbed one gives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from experiment import Experiment

MANY_STEPS = {"training_arguments__max_steps": 200_000, "training_arguments__max_seeds": 1}
ONE_SEED = {"training_arguments__min_convergent_seeds": 1}


def wait_for(condition: object, seconds: float = 120) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def running_stages(folder: Path) -> list[int]:
    """Process ids of stages that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            if b"gradiend.stages.train" in command and os.readlink(process / "cwd") == str(folder):
                found.append(int(process.name))
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="finds the job in /proc")
def test_a_killed_training_leaves_nothing_that_looks_finished_and_is_rerun(tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path, **MANY_STEPS, **ONE_SEED)
    arguments = ["--cores", "1", "--snakefile", str(experiment.snakefile), "--configfile", "config.yaml"]
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = experiment.path("logs", "train-0.log")
    wait_for(lambda: log.exists() and "train seed 0" in log.read_text())
    for job in running_stages(tmp_path):
        os.kill(job, signal.SIGKILL)
    assert process.wait(timeout=120) != 0
    assert not experiment.path("seeds", "seed_0", "model", "model.safetensors").exists()
    assert not experiment.path("seeds", "seed_0", "training.json").exists()
    experiment.write(experiment.config({**MANY_STEPS, **ONE_SEED, "training_arguments__max_steps": 40}))
    output = experiment.run("out/seeds/seed_report.json")
    assert "seed 0: 40 steps" in output and "cache_gradients:" not in output
