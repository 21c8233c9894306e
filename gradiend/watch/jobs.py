"""The jobs of an experiment as its folder shows them. Nothing is asked of the jobs: they know nothing of this."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.settings import STAGES
from gradiend.watch.plan import PlannedJob, read_plan

DONE, RUNNING, FAILED, WAITING = "done", "running", "failed", "waiting"
FIRST = ("build_demo_data", "build_demo_model", "check_demo_model")
UNTIMED = ("link_run", "link_seeds")  # they have no benchmark, and are done at once
ORDER = (*FIRST, *STAGES, "gather_encoders", "index")
SHARED = "shared"
TAIL = 20_000  # bytes of a log that are read: the last state of its progress bar is in them
_BAR = re.compile(r"(\d+)%\|[^|]*\|[^\[]*\[[\d:]+<([\d:]+|\?)")
_CORRELATION = re.compile(r"correlation (-?[\d.]+)")
_DIGEST = re.compile(r"-[0-9a-f]{12}")
_ERRORS = ("error:", "interrupted", "Traceback")


@dataclass(frozen=True)
class Job:
    """One job: `seconds` it took, `share` done, seconds `left`, the `correlation` so far; None where not known.

    `runs` are those that it is for; none where it is about all of them.
    """

    runs: tuple[str, ...]
    name: str
    state: str
    log: str = ""
    seconds: float | None = None
    share: float | None = None
    left: float | None = None
    correlation: float | None = None
    note: str = ""

    @property
    def stage(self) -> str:
        """The stage that it is a job of."""
        return next((stage for stage in ORDER if self.name == stage or self.name.startswith(f"{stage}-")), self.name)


@dataclass(frozen=True)
class Progress:
    """The jobs, how many more there may be (None: not known), and the runs ("" where there is one without a name)."""

    jobs: list[Job]
    possible: int | None
    runs: tuple[str, ...]


def progress_of(folder: Path) -> Progress:
    """All jobs, those of the first run first and in the order of the pipeline.

    Where no workflow left a plan, those that have begun. Raises `GradiendError` where there is no experiment.
    """
    if not folder.is_dir():
        raise GradiendError(f"{folder}: no such folder: give an experiment_dir")
    plan = read_plan(folder)
    if plan is None:
        return _begun(folder)
    found = [_job(folder, job, plan.begun) for job in plan.jobs]
    possible: set[str] = set()
    for search in plan.searches:
        certain, others = search.wanted(lambda job: _evaluation(folder, job, plan.begun))
        found += [_job(folder, job, plan.begun) for job in certain]
        possible |= {job.log for job in others}
    jobs = {job.log: job for job in found}  # runs that share their seeds search for them together
    ordered = sorted(jobs.values(), key=lambda job: _place(job, plan.runs))
    return Progress(_with_times(ordered), len(possible - jobs.keys()), plan.runs)


def finished(jobs: Sequence[Job]) -> bool:
    """Whether nothing runs and nothing is to come."""
    return all(job.state in (DONE, FAILED) for job in jobs) or (
        any(job.state == FAILED for job in jobs) and not any(job.state == RUNNING for job in jobs)
    )


def seconds_left(jobs: Sequence[Job]) -> tuple[float, list[str]]:
    """What is known of the time left, as many jobs at a time as now, and the jobs of which nothing is known."""
    coming = [job for job in jobs if job.state in (RUNNING, WAITING)]
    known, at_a_time = [job.left for job in coming if job.left is not None], running(jobs)
    whole = max([sum(known) / max(1, at_a_time), *known], default=0.0)
    return whole, [job.name for job in coming if job.left is None]


def running(jobs: Sequence[Job]) -> int:
    """How many jobs run."""
    return sum(job.state == RUNNING for job in jobs)


def _begun(folder: Path) -> Progress:
    """What has begun, as far as logs tell; links to the logs of shared stages tell the runs, else they are "shared"."""
    runs = sorted({logs.parent.name for logs in folder.glob("*/logs") if _logs(logs)} - {SHARED})
    sharing: dict[Path, list[str]] = {log: [] for log in _logs(folder / "logs")}
    for run in runs:
        for log in _logs(folder / run / "logs"):
            sharing.setdefault(log, []).append(run)
    unlinked = [log for log in _logs(folder / SHARED / "logs") if log not in sharing]
    sharing |= {log: [SHARED] for log in unlinked}
    runs += [SHARED] * bool(unlinked)
    if not sharing:
        raise GradiendError(f"{folder}: no job has begun here: start the experiment, or give another experiment_dir")
    root = folder.resolve()
    jobs = [
        _job(folder, PlannedJob(_DIGEST.sub("", log.stem), str(log.relative_to(root)), tuple(own)), 0.0)
        for log, own in sharing.items()
    ]
    return Progress(_with_times(sorted(jobs, key=lambda job: _place(job, runs))), None, tuple(runs) or ("",))


def _logs(folder: Path) -> list[Path]:
    """The logs that lie here, or that links here point to."""
    return [log.resolve() for log in sorted(folder.glob("**/*.log")) if log.is_file() and log.stem not in UNTIMED]


def _job(folder: Path, planned: PlannedJob, begun: float) -> Job:
    """How a job stands; what it left before `begun`, when the workflow began, is of an earlier time."""
    log = folder / planned.log
    benchmark = log.parent.parent / "benchmarks" / log.with_suffix(".tsv").name
    earlier = _seconds(benchmark)
    job = Job(planned.runs, planned.name, WAITING, log=planned.log, left=earlier)
    old = not log.is_file() or log.stat().st_mtime < begun
    if planned.to_run is False and old:
        return replace(job, state=DONE, seconds=earlier, left=None, correlation=_evaluated(folder, planned))
    if old and (planned.to_run or not log.is_file()):
        return job
    tail = _tail(log)
    last = re.split(r"[\r\n]", tail.rstrip())[-1]
    if earlier is not None and benchmark.stat().st_mtime >= log.stat().st_mtime:
        return replace(job, state=DONE, seconds=earlier, left=None, correlation=_evaluated(folder, planned))
    if last.startswith(_ERRORS) or "\nTraceback" in tail:
        return replace(job, state=FAILED, note=last, left=None)
    bar = _BAR.search(last)
    share = int(bar[1]) / 100 if bar else None
    left = _clock(bar[2]) if bar else earlier
    return replace(job, state=RUNNING, share=share, left=left, correlation=_last(_CORRELATION, tail))


def _with_times(jobs: Sequence[Job]) -> list[Job]:
    """Of jobs that never ran, the mean time of those of the same stage."""
    times: dict[str, list[float]] = {}
    for job in jobs:
        if job.state == DONE and job.seconds is not None:
            times.setdefault(job.stage, []).append(job.seconds)
    return [
        replace(job, left=mean(times[job.stage]))
        if job.left is None and job.state in (RUNNING, WAITING) and job.stage in times
        else job
        for job in jobs
    ]


def _evaluation(folder: Path, planned: PlannedJob, begun: float) -> Mapping[str, Any] | None:
    """What an evaluation of a seed has found; None where it is still to be made."""
    path = folder / planned.evaluation
    if _job(folder, planned, begun).state != DONE or not path.is_file():
        return None
    return read_json(path)


def _place(job: Job, runs: Sequence[str]) -> tuple[list[int], int, list[int], str]:
    """By run, then by stage, then by the numbers in the name."""
    known = ORDER.index(job.stage) if job.stage in ORDER else len(ORDER)
    return [runs.index(run) for run in job.runs], known, [int(n) for n in re.findall(r"\d+", job.name)], job.name


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


def _evaluated(folder: Path, planned: PlannedJob) -> float | None:
    """The correlation that a finished evaluation of a seed has written."""
    path = folder / planned.evaluation
    value = read_json(path)["correlation"] if planned.evaluation and path.is_file() else None
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
