"""What `gradiend watch` shows: a table that stays in its place in a terminal, else a line for every change."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gradiend.report.numbers import duration
from gradiend.watch.jobs import DONE, FAILED, RUNNING, WAITING, Job, finished, jobs_of, seconds_left

EVERY = 1.0  # seconds
STYLES = {DONE: "green", RUNNING: "bold cyan", FAILED: "bold red", WAITING: "dim"}
SIGNS = {DONE: "✓", RUNNING: "▶", FAILED: "✗", WAITING: "·"}
STEPS = 4  # of a progress bar that get a line where there is no terminal

Sleep = Callable[[float], None]


def watch(folder: Path, console: Console, *, once: bool, sleep: Sleep = time.sleep) -> int:
    """Show the jobs of an experiment until nothing is left to do, or once; 1 where a job has failed."""
    show = _table if console.is_terminal else _lines
    return show(folder, console, once, sleep)


def table_of(jobs: Sequence[Job]) -> Group:
    """The jobs as a table, and how long it will take."""
    many = any(job.run for job in jobs)
    table = Table(box=None, pad_edge=False)
    for name in (*(["run"] if many else []), "job", "", "correlation", "time", "left"):
        table.add_column(name, justify="right" if name in ("correlation", "time", "left") else "left")
    for job in jobs:
        table.add_row(*([Text(job.run)] if many else []), *_cells(job), style=STYLES[job.state])
    return Group(table, Text(summary_of(jobs), style="bold"))


def line_of(job: Job) -> str:
    """A job in one line."""
    parts = [job.state]
    parts += [f"{100 * job.share:.0f} %"] if job.share is not None else []
    parts += [f"correlation {job.correlation:.3f}"] if job.correlation is not None else []
    parts += [duration(job.seconds)] if job.seconds is not None else []
    parts += [f"{duration(job.left)} left"] if job.left is not None and job.state == RUNNING else []
    parts += [job.note] if job.note else []
    return f"{job.run + '/' if job.run else ''}{job.name}: {', '.join(parts)}"


def summary_of(jobs: Sequence[Job]) -> str:
    """How many jobs are done, and how long the others will take as far as that is known."""
    done = sum(job.state == DONE for job in jobs)
    failed = [job.name for job in jobs if job.state == FAILED]
    said = f"{done} of {len(jobs)} done"
    if failed:
        return f"{said}, failed: {', '.join(failed)}"
    left, unknown = seconds_left(jobs)
    if not left:
        return said if not unknown else f"{said}, time left not known yet"
    return f"{said}, {'at least' if unknown else 'about'} {duration(left)} left"


def _cells(job: Job) -> list[Text | ProgressBar]:
    state = Text(f"{SIGNS[job.state]} {job.note or job.state}")
    return [
        Text(job.name),
        ProgressBar(total=1.0, completed=job.share, width=24) if job.share is not None else state,
        Text("" if job.correlation is None else f"{job.correlation:.3f}"),
        Text("" if job.seconds is None else duration(job.seconds)),
        Text("" if job.left is None else duration(job.left)),
    ]


def _table(folder: Path, console: Console, once: bool, sleep: Sleep) -> int:
    jobs = jobs_of(folder)
    with Live(table_of(jobs), console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while not once and not finished(jobs):
            sleep(EVERY)
            jobs = jobs_of(folder)
            live.update(table_of(jobs), refresh=True)
    return _code(jobs)


def _lines(folder: Path, console: Console, once: bool, sleep: Sleep) -> int:
    said: dict[tuple[str, str], tuple[str, int]] = {}
    while True:
        jobs = jobs_of(folder)
        for job in jobs:
            now = (job.state, int(STEPS * (job.share or 0.0)))
            if job.state != WAITING and said.get((job.run, job.name)) != now:
                console.print(line_of(job), markup=False, highlight=False, soft_wrap=True)
            said[job.run, job.name] = now
        if once or finished(jobs):
            console.print(summary_of(jobs), markup=False, highlight=False, soft_wrap=True)
            return _code(jobs)
        sleep(EVERY)


def _code(jobs: Sequence[Job]) -> int:
    return int(any(job.state == FAILED for job in jobs))
