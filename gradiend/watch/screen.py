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
from gradiend.watch.jobs import (
    DONE,
    FAILED,
    RUNNING,
    WAITING,
    Job,
    Progress,
    finished,
    progress_of,
    running,
    seconds_left,
)

EVERY = 1.0  # seconds
STYLES = {DONE: "green", RUNNING: "bold cyan", FAILED: "bold red", WAITING: "dim"}
SIGNS = {DONE: "✓", RUNNING: "▶", FAILED: "✗", WAITING: "·"}
STEPS = 4  # of a progress bar that get a line where there is no terminal
BAR = 6  # columns of a terminal that a progress bar has at least
LONGEST = 20  # characters of a run's name
AROUND = 4  # lines of a terminal that the rows of the table do not get

Sleep = Callable[[float], None]
Row = tuple[str, tuple[Text | ProgressBar, ...]]  # its style, its cells


def watch(folder: Path, console: Console, *, once: bool, sleep: Sleep = time.sleep) -> int:
    """Show the jobs of an experiment until nothing is left to do, or once; 1 where a job has failed."""
    show = _table if console.is_terminal else _lines
    return show(folder, console, once, sleep)


def table_of(progress: Progress, height: int) -> Group:
    """The jobs as a table, those of several runs by run, and how long it will take.

    Where it has more lines than `height`, runs in which nothing happens share a line.
    """
    many = progress.runs != ("",)
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in (*(["run"] if many else []), "job", "", "correlation", "time", "left"):
        numeric = name in ("correlation", "time", "left")
        table.add_column(name, justify="right" if numeric else "left", no_wrap=bool(name), min_width=BAR * (not name))
    for style, cells in _by_run(progress, height - AROUND) if many else map(_row, progress.jobs):
        table.add_row(*cells, style=style)
    return Group(table, Text(summary_of(progress), style="bold"))


def line_of(job: Job, runs: Sequence[str]) -> str:
    """A job in one line."""
    parts = [job.state]
    parts += [f"{100 * job.share:.0f} %"] if job.share is not None else []
    parts += [f"correlation {job.correlation:.3f}"] if job.correlation is not None else []
    parts += [duration(job.seconds)] if job.seconds is not None else []
    parts += [f"{duration(job.left)} left"] if job.left is not None and job.state == RUNNING else []
    parts += [job.note] if job.note else []
    label = label_of(job.runs, runs)
    return f"{label + ': ' if label else ''}{job.name}: {', '.join(parts)}"


def label_of(own: Sequence[str], runs: Sequence[str]) -> str:
    """The runs that share a job, in a few words."""
    if list(runs) == [""]:
        return ""
    if not own or len(own) == len(runs) > 1:
        return "all runs"
    return own[0] if len(own) == 1 else f"{own[0]} + {len(own) - 1} more"


def summary_of(progress: Progress) -> str:
    """How many jobs are done, how many there may be, and how long they will take as far as that is known."""
    jobs = progress.jobs
    done = sum(job.state == DONE for job in jobs)
    said = f"{done} of {len(jobs)} jobs done" if progress.possible is not None else f"{done} jobs done"
    said += f" (and {progress.possible} more if seeds do not converge)" if progress.possible else ""
    if failed := [line_of(job, progress.runs).split(": failed")[0] for job in jobs if job.state == FAILED]:
        return f"{said}, failed: {', '.join(failed)}"
    left, unknown = seconds_left(jobs)
    if progress.possible is None:
        return f"{said}, {running(jobs)} running"
    if not left:
        return said if not unknown else f"{said}, time left not known yet"
    several = f" with {running(jobs)} jobs at a time" if running(jobs) > 1 else ""
    rest = f"; no time is known yet for {len(unknown)} of the jobs" if unknown else ""
    return f"{said}, {'at least' if rest or progress.possible else 'about'} {duration(left)} left{several}{rest}"


def _by_run(progress: Progress, most: int) -> list[Row]:
    """For every run, or runs that share jobs, a row with how many are done; and what runs or has failed."""
    groups: dict[str, list[Job]] = {}
    for job in progress.jobs:
        groups.setdefault(label_of(job.runs, progress.runs), []).append(job)
    still = [label for label, jobs in groups.items() if not any(map(_happens, jobs))]
    needed = len(groups) + sum(map(_happens, progress.jobs))
    folded = still[-(needed - most + 1) :] if needed > most else []
    rows: list[Row] = []
    for label, jobs in groups.items():
        if label not in folded:
            rows.append(_of_run(label, jobs))
            rows += [(style, (Text(), *cells)) for style, cells in map(_row, filter(_happens, jobs))]
    rest = [job for label in folded for job in groups[label]]
    return [*rows, *([_of_run(f"{len(folded)} more", rest)] if folded else [])]


def _happens(job: Job) -> bool:
    return job.state in (RUNNING, FAILED)


def _of_run(label: str, jobs: Sequence[Job]) -> Row:
    done = [job for job in jobs if job.state == DONE]
    state = DONE if len(done) == len(jobs) else WAITING
    best = max((job.correlation for job in done if job.correlation is not None), default=None)
    took = sum(job.seconds or 0.0 for job in done)
    left = [job.left for job in jobs if job.state == WAITING]
    known = [one for one in left if one is not None]
    cells = (
        Text(label if len(label) <= LONGEST else f"{label[: LONGEST // 2 - 1]}…{label[-LONGEST // 2 :]}"),
        Text(f"{SIGNS[state]} {len(done)} of {len(jobs)}"),
        Text(),
        Text("" if best is None else f"{best:.3f}"),
        Text(duration(took) if took else ""),
        Text(f"{'> ' * (len(known) < len(left))}{duration(sum(known))}" if known else ""),
    )
    return STYLES[state], cells


def _row(job: Job) -> Row:
    state = Text(f"{SIGNS[job.state]} {job.note or job.state}")
    cells = (
        Text(job.name),
        ProgressBar(total=1.0, completed=job.share, width=24) if job.share is not None else state,
        Text("" if job.correlation is None else f"{job.correlation:.3f}"),
        Text("" if job.seconds is None else duration(job.seconds)),
        Text("" if job.left is None else duration(job.left)),
    )
    return STYLES[job.state], cells


def _table(folder: Path, console: Console, once: bool, sleep: Sleep) -> int:
    progress = progress_of(folder)
    with Live(_drawn(progress, console), console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while not once and not finished(progress.jobs):
            sleep(EVERY)
            progress = progress_of(folder)
            live.update(_drawn(progress, console), refresh=True)
    return _code(progress.jobs)


def _drawn(progress: Progress, console: Console) -> Group:
    return table_of(progress, console.height)


def _lines(folder: Path, console: Console, once: bool, sleep: Sleep) -> int:
    said: dict[str, tuple[str, int]] = {}
    while True:
        progress = progress_of(folder)
        for job in progress.jobs:
            now = (job.state, int(STEPS * (job.share or 0.0)))
            if job.state != WAITING and said.get(job.log) != now:
                console.print(line_of(job, progress.runs), markup=False, highlight=False, soft_wrap=True)
            said[job.log] = now
        if once or finished(progress.jobs):
            console.print(summary_of(progress), markup=False, highlight=False, soft_wrap=True)
            return _code(progress.jobs)
        sleep(EVERY)


def _code(jobs: Sequence[Job]) -> int:
    return int(any(job.state == FAILED for job in jobs))
