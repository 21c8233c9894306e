"""Killed at any moment and any number of times: the next run goes on, and gives what an undisturbed one gives."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from experiment import Experiment

pytestmark = [
    pytest.mark.xdist_group("staleness"),  # whose worker has the finished experiment
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="finds the jobs in /proc"),
]
TEMPORARY = ".partial"


def started(experiment: Experiment) -> subprocess.Popen[str]:
    """Snakemake, in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(experiment.snakefile)]
    return subprocess.Popen(
        [*command, "--configfile", "config.yaml"],
        cwd=experiment.folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def jobs_in(folder: Path) -> list[int]:
    """Process ids of the stages that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            of_a_stage = b"gradiend.stages." in (process / "cmdline").read_bytes()
            if of_a_stage and os.readlink(process / "cwd") == str(folder):
                found.append(int(process.name))
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return found


def kill_at(experiment: Experiment, seconds: float, *, everything: bool) -> bool:
    """Run, and after some seconds kill Snakemake with all jobs, or the jobs alone; False if it had ended before."""
    process = started(experiment)
    try:
        process.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        pass
    if everything:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        while process.poll() is None and not (jobs := jobs_in(experiment.folder)):
            time.sleep(0.02)
        for job in jobs if process.poll() is None else ():
            os.kill(job, signal.SIGKILL)
    process.communicate(timeout=120)
    if everything:  # it could not take its lock away
        assert experiment.call("--unlock").startswith("0\n")
    return True


def survives(experiment: Experiment, undisturbed: Experiment, kills: int, seed: int) -> None:
    """Kill that many runs, start anew whenever one came to its end, and compare what comes out."""
    draw, left = random.Random(seed), kills
    while left:
        left -= kill_at(experiment, draw.uniform(1, 9), everything=draw.random() < 0.5)
        if left and experiment.path("report.html").exists() and not experiment.planned():
            assert experiment.contents() == undisturbed.contents()
            shutil.rmtree(experiment.path())
    experiment.run()
    assert experiment.contents() == undisturbed.contents()
    assert not [path for path in experiment.path().rglob(f"*{TEMPORARY}*") if path.is_file()]
    assert not experiment.planned()


@pytest.mark.slow
def test_after_ten_kills_the_results_are_those_of_an_undisturbed_run(finished: Experiment, tmp_path: Path) -> None:
    survives(Experiment.new(tmp_path), finished, kills=10, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
def test_after_a_hundred_kills_they_are_too(finished: Experiment, tmp_path: Path, seed: int) -> None:
    survives(Experiment.new(tmp_path), finished, kills=20, seed=seed)


@pytest.mark.long
def test_a_second_snakemake_in_the_same_folder_is_refused_and_disturbs_nothing(
    finished: Experiment, tmp_path: Path
) -> None:
    experiment = Experiment.new(tmp_path)
    first = started(experiment)
    while not jobs_in(tmp_path):
        assert first.poll() is None
        time.sleep(0.05)
    second = experiment.call("--cores", "1")
    assert not second.startswith("0\n") and "LockException" in second
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output
    assert experiment.contents() == finished.contents()
