"""Every job of a machine gets GPUs of its own; the devices are names that no GPU needs to have."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradiend.errors import GradiendError
from gradiend.gpus import claim, gpus_wanted, visible_devices

# holds what it sees for a while, and tells when it began and ended
JOB = """
import os, sys, time
seen, start = os.environ.get("CUDA_VISIBLE_DEVICES", "none"), time.monotonic()
print(seen, start, flush=True)
time.sleep(float(sys.argv[1]))
print(time.monotonic(), flush=True)
"""


def start(folder: Path, gpus: int, devices: str | None, seconds: float = 0.3) -> "subprocess.Popen[str]":
    environment = os.environ | {"TMPDIR": str(folder)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if devices is not None:
        environment["CUDA_VISIBLE_DEVICES"] = devices
    command = [sys.executable, "-m", "gradiend.gpus", str(gpus), "-c", JOB, str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def told(job: "subprocess.Popen[str]") -> tuple[list[str], float, float]:
    """The devices that a job saw, and when it began and ended."""
    output = job.communicate(timeout=120)[0].split()
    return output[0].split(","), float(output[1]), float(output[2])


@pytest.mark.parametrize(("gpus", "devices"), [(1, "0,1,2,3"), (2, "GPU-a/b,5,1,7,2"), (1, "3,1")])
def test_no_two_jobs_have_a_device_at_the_same_time(tmp_path: Path, gpus: int, devices: str) -> None:
    jobs = [start(tmp_path, gpus, devices) for _ in range(10)]
    found = [told(job) for job in jobs]
    names = devices.split(",")
    assert all(len(set(seen)) == gpus and set(seen) <= set(names) for seen, _, _ in found)
    for i, (seen, begin, end) in enumerate(found):
        for other, its_begin, its_end in found[:i]:
            assert not set(seen) & set(other) or end <= its_begin or its_end <= begin


def test_the_device_of_a_job_that_is_killed_is_free_at_once(tmp_path: Path) -> None:
    jobs = [start(tmp_path, 1, "0,1", seconds=600) for _ in range(2)]
    first = {job: job.stdout.readline().split()[0] for job in jobs if job.stdout}
    assert set(first.values()) == {"0", "1"}
    waiting = start(tmp_path, 1, "0,1", seconds=0)
    time.sleep(0.5)
    assert waiting.poll() is None
    os.kill(jobs[1].pid, signal.SIGKILL)
    assert told(waiting)[0] == [first[jobs[1]]]
    jobs[0].kill()
    for job in jobs:
        job.communicate()


@pytest.mark.parametrize("devices", ["2", "GPU-1234"])
def test_what_a_scheduler_gave_is_used_as_it_is(tmp_path: Path, devices: str) -> None:
    jobs = [start(tmp_path, 1, devices, seconds=0.1) for _ in range(2)]
    assert [told(job)[0] for job in jobs] == [[devices]] * 2
    assert list(tmp_path.iterdir()) == []


def test_without_gpus_nothing_changes(tmp_path: Path) -> None:
    assert told(start(tmp_path, 1, "-1", seconds=0))[0] == ["-1"]
    assert told(start(tmp_path, 0, "0,1", seconds=0))[0] == ["0", "1"]
    assert list(tmp_path.iterdir()) == []


def test_devices_are_those_that_the_process_is_told_else_those_of_the_machine(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert visible_devices({}, tmp_path) == ["0", "1"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "3,GPU-x"}, tmp_path) == ["3", "GPU-x"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == []
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "-1"}, tmp_path) == []


def test_more_devices_than_there_are_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match="3 GPUs are asked for, and there are 2: lower --resources gpu="):
        claim(["0", "1"], 3, tmp_path)


@pytest.mark.parametrize(
    ("devices", "there", "wanted"),
    [
        (["auto"], 0, 0),
        (["auto"], 4, 1),
        (["cuda", "cpu"], 4, 1),
        (["cpu", "cpu"], 4, 0),
        (["mps"], 4, 0),
        (["auto", "cuda:0", "cuda:1"], 4, 2),
        (["cuda:3"], 2, 2),
        (["map:auto"], 4, 4),
        (["map:auto"], 0, 0),
    ],
)
def test_a_job_wants_as_many_gpus_as_its_devices_name(devices: list[str], there: int, wanted: int) -> None:
    assert gpus_wanted(devices, there) == wanted
