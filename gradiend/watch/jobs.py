"""The jobs of an experiment as its folder shows them. Nothing is asked of the jobs: they know nothing of this."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.settings import STAGES

DONE, RUNNING, FAILED, WAITING = "done", "running", "failed", "waiting"
FIRST = ("build_demo_data", "build_demo_model", "check_demo_model")
OPTIONAL = (
    *("train_mlm_head", "tune_learning_rate", "train_control"),
    *("measure_stability", "cross_encode", "compare_runs"),
)
UNTIMED = ("link_run", "link_seeds")  # they have no benchmark, and are done at once
ORDER = (*FIRST, *STAGES, "index")
TAIL = 20_000  # bytes of a log that are read: the last state of its progress bar is in them
_BAR = re.compile(r"(\d+)%\|[^|]*\|[^\[]*\[[\d:]+<([\d:]+|\?)")
_CORRELATION = re.compile(r"correlation (-?[\d.]+)")
_EVALUATION = re.compile(r"evaluate_encoder(?:-([0-9a-f]{12}))?-(\d+)")
_ERRORS = ("error:", "interrupted", "Traceback")


@dataclass(frozen=True)
class Job:
    """One job: `seconds` it took, `share` done, seconds `left`, the `correlation` so far; None where not known."""

    run: str
    name: str
    state: str
    seconds: float | None = None
    share: float | None = None
    left: float | None = None
    correlation: float | None = None
    note: str = ""

    @property
    def stage(self) -> str:
        """The stage that it is a job of."""
        return next((stage for stage in ORDER if self.name == stage or self.name.startswith(f"{stage}-")), self.name)


def jobs_of(folder: Path) -> list[Job]:
    """All jobs that have begun, and stages that wait, by run and in the order of the pipeline.

    Raises `GradiendError` where there is no experiment.
    """
    if not folder.is_dir():
        raise GradiendError(f"{folder}: no such folder: give an experiment_dir")
    own = [folder] if _logs(folder) else []
    runs = sorted(path.parent for path in folder.glob("*/logs") if _logs(path.parent))
    if not own and not runs:
        raise GradiendError(f"{folder}: no job has begun here: start the experiment, or give another experiment_dir")
    found: list[Job] = []
    for place in [*own, *runs]:
        run = "" if place == folder else place.name
        begun = sorted((_job(log, run) for log in _logs(place)), key=_place)
        found += begun if runs else _with_waiting(begun, run, place)
    if runs and not any(job.name == "index" for job in found):
        found.append(Job("", "index", WAITING))  # the last job, whatever the runs share
    return found


def finished(jobs: Sequence[Job]) -> bool:
    """Whether nothing runs and nothing is to come."""
    return all(job.state in (DONE, FAILED) for job in jobs) or (
        any(job.state == FAILED for job in jobs) and not any(job.state == RUNNING for job in jobs)
    )


def seconds_left(jobs: Sequence[Job]) -> tuple[float, list[str]]:
    """What is known of the time left, and the jobs of which nothing is known."""
    coming = [job for job in jobs if job.state in (RUNNING, WAITING)]
    return sum(job.left or 0.0 for job in coming), [job.name for job in coming if job.left is None]


def _logs(folder: Path) -> list[Path]:
    """The logs that are written here: a run has links to those of the stages that it shares."""
    there = [log for log in (folder / "logs").glob("**/*.log") if log.is_file() and not log.is_symlink()]
    return [log for log in there if log.stem not in UNTIMED]


def _job(log: Path, run: str) -> Job:
    benchmark = log.parent.parent / "benchmarks" / log.with_suffix(".tsv").name
    earlier = _seconds(benchmark)
    tail = _tail(log)
    last = re.split(r"[\r\n]", tail.rstrip())[-1]
    if earlier is not None and benchmark.stat().st_mtime >= log.stat().st_mtime:
        return Job(run, log.stem, DONE, seconds=earlier, correlation=_evaluated(log))
    if last.startswith(_ERRORS) or "\nTraceback" in tail:
        return Job(run, log.stem, FAILED, note=last)
    bar = _BAR.search(last)
    share = int(bar[1]) / 100 if bar else None
    left = _clock(bar[2]) if bar else earlier
    return Job(run, log.stem, RUNNING, share=share, left=left, correlation=_last(_CORRELATION, tail))


def _with_waiting(begun: list[Job], run: str, folder: Path) -> list[Job]:
    """With the stages that come after the last one that has begun, but those that not every run has."""
    last = max((_place(job)[0] for job in begun), default=-1)
    waiting = [stage for stage in STAGES if ORDER.index(stage) > last and stage not in OPTIONAL]
    return [
        *begun,
        *(Job(run, name, WAITING, left=_seconds(folder / "benchmarks" / f"{name}.tsv")) for name in waiting),
    ]


def _place(job: Job) -> tuple[int, list[int], str]:
    """By stage, then by the numbers in the name."""
    known = ORDER.index(job.stage) if job.stage in ORDER else len(ORDER)
    return known, [int(digits) for digits in re.findall(r"\d+", job.name)], job.name


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read().decode("utf-8", errors="replace")


def _seconds(benchmark: Path) -> float | None:
    """The time of the last measurement; None where there is none, or it is just being written."""
    try:
        return float(benchmark.read_text(encoding="utf-8").splitlines()[-1].split("\t")[0])
    except (OSError, IndexError, ValueError):
        return None


def _evaluated(log: Path) -> float | None:
    """The correlation that a finished evaluation of a seed has written."""
    found = _EVALUATION.fullmatch(log.stem)
    if found is None:
        return None
    folder = f"evaluate_encoder-{found[1]}" if found[1] else "seeds"
    path = log.parent.parent / folder / f"seed_{found[2]}" / "evaluation.json"
    value = read_json(path)["correlation"] if path.is_file() else None
    return None if value is None else float(value)


def _last(pattern: "re.Pattern[str]", text: str) -> float | None:
    found = pattern.findall(text)
    return float(found[-1]) if found else None


def _clock(text: str) -> float | None:
    """`1:02:03` in seconds."""
    if "?" in text:
        return None
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds
