"""One page for all runs of an experiment: their numbers side by side, and what they have in common."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradiend.report.common import Shown
from gradiend.report.differences import common_settings, differing_settings
from gradiend.report.numbers import UNKNOWN, arrow, count, duration, interval, known, percent, probability, score
from gradiend.report.page import page

Summary = Mapping[str, Any]  # what a run's report.json holds
MOST_SETTINGS = 4  # that get a column
MOST_LINES = 2  # of a cell that are shown before a click


@dataclass(frozen=True)
class Line:
    """A line of a cell, and in small letters what belongs to it."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class Cell:
    """What stands there; `value` is what a column of numbers is sorted by, "" where not known."""

    lines: tuple[Line, ...]
    value: float | str | None = None
    link: str = ""
    verdict: str = ""

    @property
    def shown(self) -> tuple[Line, ...]:
        """The lines that are seen before a click."""
        return self.lines[:MOST_LINES]

    @property
    def folded(self) -> tuple[Line, ...]:
        """The other lines."""
        return self.lines[MOST_LINES:]


@dataclass(frozen=True)
class Column:
    """A column of the index."""

    name: str
    cells: tuple[Cell, ...]

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return any(cell.value is not None for cell in self.cells)


def render_index(
    title: str,
    summaries: Mapping[str, Summary],
    links: Mapping[str, str],
    figures: Sequence[Shown] = (),
    left_out: Sequence[str] = (),
) -> str:
    """The page; `summaries` are by run, and so are the `links` to the runs' pages.

    `figures` compare the runs; `left_out` says which not, and why.
    """
    columns = columns_of(summaries, links)
    configs = [own["config"] for own in summaries.values()]
    return page(
        "index.html",
        title=title,
        columns=columns,
        rows=list(zip(*(column.cells for column in columns), strict=True)),
        alarms=[run for run, own in summaries.items() if not own["seeds"]["converged"]],
        facts=facts_of(summaries),
        common=common_settings(configs),
        figures=figures,
        left_out=left_out,
    )


def facts_of(summaries: Mapping[str, Summary]) -> list[tuple[str, str]]:
    """What is the same for all runs, and how many separate their classes."""
    runs = list(summaries.values())
    answers = Counter(_answer(own).lines[0].text for own in runs)
    found = [("runs", str(len(runs)))]
    for name, values in (
        ("base model", {str(own["base_model"]) for own in runs}),
        ("classes", {" vs ".join(own["target_classes"]) for own in runs}),
    ):
        found += [(name, next(iter(values)))] if len(values) == 1 else []
    return [*found, ("separate their classes", ", ".join(f"{words}: {n}" for words, n in answers.most_common()))]


def columns_of(summaries: Mapping[str, Summary], links: Mapping[str, str]) -> list[Column]:
    """Run, settings that differ, answer, numbers."""
    runs = list(summaries.values())
    classes = [" vs ".join(own["target_classes"]) for own in runs]
    named = classes if len(set(classes)) > 1 else [""] * len(runs)
    return [
        Column(
            "run",
            tuple(Cell((Line(run, own),), link=links[run]) for run, own in zip(summaries, named, strict=True)),
        ),
        *_settings([own["config"] for own in runs]),
        Column("separates", tuple(_answer(own) for own in runs)),
        Column("correlation (test)", tuple(_correlation(own["encoder"]) for own in runs)),
        Column("mean difference", tuple(_number(own["encoder"]["mean_difference"], score) for own in runs)),
        Column("rewrites (test)", tuple(_rewrites(own["rewrites"]) for own in runs)),
        Column("time", tuple(_number(own["seconds"], duration) for own in runs)),
    ]


def _number(value: Any, show: Any, small: str = "") -> Cell:
    found = known(value)
    return Cell((Line(show(found), small),), "" if found is None else found)


def _correlation(encoder: Summary) -> Cell:
    parts = (interval(encoder["correlation_interval"]), f"n = {count(encoder['n'])}")
    return _number(encoder["correlation"], score, ", ".join(_unbroken(part) for part in parts))


def _answer(own: Summary) -> Cell:
    first, seeds = own["answers"][0], own["seeds"]
    small = f"{seeds['converged']} of {seeds['tried']} seeds converged"
    if not seeds["converged"]:
        return Cell((Line("not converged", small),), verdict="no")
    return Cell((Line(first["words"], small),), verdict=first["verdict"])


def _unbroken(text: str) -> str:
    """Text that is never broken into two lines."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _rewrites(rewrites: Sequence[Summary]) -> Cell:
    lines = [
        Line(
            f"{one['what']} {_unbroken(arrow(probability(one['before']), probability(one['after'])))}",
            f"to {one['name']}, {_unbroken('LMS kept ' + percent(one['lms_kept'], 4))}",
        )
        if one["after"] is not None
        else Line(f"{one['what']}: none chosen", f"to {one['name']}")
        for one in rewrites
    ]
    return Cell(tuple(lines) or (Line(UNKNOWN),))


def _settings(configs: Sequence[Mapping[str, Any]]) -> list[Column]:
    """A column for each of the first settings that are not the same in all runs, and one for all the others."""
    found = differing_settings(configs)
    names = list(found)
    own = names if len(names) <= MOST_SETTINGS else names[: MOST_SETTINGS - 1]
    columns = [Column(name, tuple(Cell((Line(value),)) for value in found[name])) for name in own]
    if others := names[len(own) :]:
        lines = (tuple(Line(f"{name}: {found[name][i]}") for name in others) for i in range(len(configs)))
        columns.append(Column("other settings", tuple(Cell(of_run) for of_run in lines)))
    return columns
