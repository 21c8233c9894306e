"""A disk that is full: one line says so, nothing looks finished, and with more room the run goes on."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from experiment import Experiment

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("staleness")]  # whose worker has the finished experiment
SIZES = (2200, 2300, 2700, 3300)  # KiB: the rows, a seed, the decoder evaluation, the figures do not fit


def mounted(folder: Path, *options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Experiment]:
    """An experiment whose results lie on a file system of their own, of 1 MiB."""
    experiment = Experiment.new(tmp_path)
    experiment.path().mkdir()
    if not mounted(experiment.path(), "size=1m"):
        pytest.skip("a file system can be mounted only by root")
    yield experiment
    subprocess.run(["umount", str(experiment.path())], check=True)


def test_a_full_disk_is_one_line_and_with_more_room_the_results_are_as_ever(
    small_disk: Experiment, finished: Experiment
) -> None:
    failures = []
    for size in SIZES:
        assert mounted(small_disk.path(), f"remount,size={size}k")
        output = small_disk.call("--cores", "2")
        assert not output.startswith("0\n")
        assert "Traceback" not in output, output
        failures += re.findall(r"^error: (\S+): (no space is left on the disk|the gradient rows need)", output, re.M)
        left = [path for path in small_disk.path().rglob("*") if path.name.endswith((".partial", ".old"))]
        assert left == []
    assert len(failures) >= 3, failures
    assert mounted(small_disk.path(), "remount,size=64m")
    small_disk.run()
    assert small_disk.contents() == finished.contents()
