"""Two hundred runs in one experiment: they end, and what they take of memory, open files and disk is bounded."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from experiment import Experiment

pytestmark = pytest.mark.long
RUNS = 200
MATRIX = {
    "target_classes": [["female", "male"], ["plural", "male"]],
    "training_arguments.learning_rate": [round(0.001 * (1 + step), 3) for step in range(20)],
    "training_arguments.seed": list(range(5)),
}
MOST = {"memory": 4e9, "memory of one": 1e9, "open files of one": 512, "processes": 32}  # bytes, and numbers
DISK = 2e9  # bytes
# Snakemake looks for jobs once per job and timespan, by default a second; without threads there are two at a time.
SWIFTLY = ("--max-jobs-per-timespan", "100000/10m", "--max-threads", "1")


@contextmanager
def peaks() -> Iterator[dict[str, int]]:
    """The most that the processes which this one starts have at one moment, looked at every second."""
    most, done = dict.fromkeys(MOST, 0), threading.Event()

    def watch() -> None:
        while not done.wait(1):
            found = []
            for process in psutil.Process().children(recursive=True):
                try:
                    found.append((process.memory_info().rss, process.num_fds()))
                except psutil.NoSuchProcess:
                    continue
            memory, files = [memory for memory, _ in found], [files for _, files in found]
            now = (sum(memory), max(memory, default=0), max(files, default=0), len(found))
            most.update({name: max(most[name], value) for name, value in zip(MOST, now, strict=True)})

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def test_two_hundred_runs_end_within_bounds(tmp_path: Path) -> None:
    changes = {"training_arguments__max_seeds": 1, "training_arguments__min_convergent_seeds": None}
    experiment = Experiment.new(tmp_path, matrix=MATRIX, **changes)
    with peaks() as most:
        experiment.run(*SWIFTLY)
    disk = sum(path.lstat().st_size for path in tmp_path.rglob("*"))
    print(json.dumps(most | {"disk": disk, "files": sum(1 for _ in tmp_path.rglob("*"))}))
    assert len(list(experiment.path().glob("*/report.html"))) == RUNS
    assert all(0 < most[name] < limit for name, limit in MOST.items()), most
    assert disk < DISK
    assert experiment.planned_with_comparison() == {}
