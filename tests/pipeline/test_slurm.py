"""SLURM for real: one node on loopback; every job goes through sbatch."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from experiment import PROJECT, Experiment

SCRIPT = PROJECT / "tests" / "slurm.sh"
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel")
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
MISSING = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
if find_spec("snakemake_executor_plugin_slurm") is None:
    MISSING.append("snakemake-executor-plugin-slurm")
# one thread a job, here and there: the last bits depend on their number
ONE_THREAD = ("--max-threads", "1")
SLURM = (
    "--workflow-profile",
    str(PROJECT / "profiles" / "slurm"),
    "--slurm-no-account",
    "--slurm-status-command",
    "squeue",  # there is no database
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--seconds-between-status-checks",
    "2",
    "--latency-wait",
    "10",
    "--retries",
    "0",
    *ONE_THREAD,
)
ONE_SEED = {"training_arguments__max_seeds": 1, "training_arguments__min_convergent_seeds": 1, "shards": 2}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(bool(MISSING), reason=f"no SLURM here: {', '.join(MISSING)} missing (see .ci/run)"),
]


@pytest.fixture(scope="module", autouse=True)
def slurm() -> Iterator[None]:
    """A SLURM that runs as long as the tests."""
    folder = tempfile.mkdtemp(prefix="slurm-", dir="/tmp")  # a socket's path must be short
    started = subprocess.run([str(SCRIPT), "start", folder], capture_output=True, text=True)
    if started.returncode:
        shutil.rmtree(folder)
        pytest.skip(f"SLURM does not start here: {started.stderr.strip()[-400:]}")
    yield
    subprocess.run([str(SCRIPT), "stop", folder], check=True)
    time.sleep(1)
    shutil.rmtree(folder)


def jobs(*options: str) -> list[str]:
    """What squeue says of every job: id, and the rule in its comment."""
    command = ["squeue", "--noheader", "--format", "%i %k", *options]
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


def results(experiment: Experiment) -> dict[str, bytes]:
    """All files of the results but those that tell the time."""
    root = experiment.path()
    timed = ("logs", "benchmarks", "records", "report.html", "report.json", "plots")
    paths = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(root)): path.read_bytes() for path in paths if path.relative_to(root).parts[0] not in timed
    }


def test_results_of_slurm_are_those_of_a_local_run_though_a_job_was_cancelled(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "slurm").mkdir()
    local = Experiment.new(tmp_path / "local", **ONE_SEED)
    local.run(*ONE_THREAD)
    experiment = Experiment.new(tmp_path / "slurm", **ONE_SEED)
    command = [sys.executable, "-m", "snakemake", *SLURM, "--snakefile", str(experiment.snakefile)]
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [*command, "--configfile", "config.yaml"],
            cwd=experiment.folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdout=output,
            stderr=output,
        )
        while process.poll() is None and not (running := training()):
            time.sleep(0.2)
        assert process.poll() is None, (tmp_path / "output").read_text()
        time.sleep(1)
        subprocess.run(["scancel", running[0]], check=True)
        assert process.wait(timeout=600) != 0
    assert not experiment.path("seeds", "seed_0", "evaluation.json").exists()
    again = experiment.call(*SLURM)
    assert again.startswith("0\n") and "rule train" in again and "rule prepare_data" not in again, again
    submitted = {line.split()[1] for line in jobs("--states=all") if len(line.split()) > 1}
    assert any("cache_shard" in name for name in submitted), submitted
    found, expected = results(experiment), results(local)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


def training() -> list[str]:
    """The ids of running jobs that train."""
    return [line.split()[0] for line in jobs("--states=running") if "seed" in line or "train" in line]
