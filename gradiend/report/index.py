"""One page for all runs of an experiment: their numbers side by side, and a link to each run's page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradiend.report.numbers import UNKNOWN, arrow, count, duration, interval, known, percent, probability, score
from gradiend.report.page import page

Summary = Mapping[str, Any]  # what a run's report.json holds
LONGEST = 60  # characters of a setting's value


@dataclass(frozen=True)
class Cell:
    """What stands there, one or more lines; `value` is what a column of numbers is sorted by, "" where not known."""

    lines: tuple[str, ...]
    value: float | str | None = None
    link: str = ""
    verdict: str = ""


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
    title: str, summaries: Mapping[str, Summary], links: Mapping[str, str], figures: Mapping[str, str]
) -> str:
    """The page; `summaries` are by run, and so are the `links` to the runs' pages; `figures` compare the runs."""
    columns = columns_of(summaries, links)
    rows = list(zip(*(column.cells for column in columns), strict=True))
    alarms = [run for run, own in summaries.items() if not own["seeds"]["converged"]]
    return page("index.html", title=title, columns=columns, rows=rows, alarms=alarms, figures=figures)


def columns_of(summaries: Mapping[str, Summary], links: Mapping[str, str]) -> list[Column]:
    """Run, settings that differ, answer, numbers."""
    runs = list(summaries.values())
    return [
        Column("run", tuple(Cell((run,), link=links[run]) for run in summaries)),
        Column("classes", tuple(Cell((" vs ".join(own["target_classes"]),)) for own in runs)),
        *_differences(runs),
        Column("separates", tuple(_answer(own) for own in runs)),
        Column("correlation (test)", tuple(_number(own["encoder"]["correlation"], score) for own in runs)),
        Column("95 % interval", tuple(Cell((interval(own["encoder"]["correlation_interval"]),)) for own in runs)),
        Column("n", tuple(_number(own["encoder"]["n"], count) for own in runs)),
        Column("mean difference", tuple(_number(own["encoder"]["mean_difference"], score) for own in runs)),
        Column("seeds converged", tuple(_seeds(own["seeds"]) for own in runs)),
        Column("rewrites (test)", tuple(_rewrites(own["rewrites"]) for own in runs)),
        Column("time", tuple(_number(own["seconds"], duration) for own in runs)),
    ]


def _number(value: Any, show: Any) -> Cell:
    found = known(value)
    return Cell((show(found),), "" if found is None else found)


def _answer(own: Summary) -> Cell:
    first = own["answers"][0]
    if not own["seeds"]["converged"]:
        return Cell(("not converged",), verdict="no")
    return Cell((first["words"],), verdict=first["verdict"])


def _seeds(own: Summary) -> Cell:
    return Cell((f"{own['converged']} of {own['tried']}",), float(own["converged"]))


def _rewrites(rewrites: Sequence[Summary]) -> Cell:
    lines = [
        f"{one['what']}: {arrow(probability(one['before']), probability(one['after']))}, "
        f"LMS kept {percent(one['lms_kept'], 4)}"
        if one["after"] is not None
        else f"{one['what']}: none chosen"
        for one in rewrites
    ]
    return Cell(tuple(lines) or (UNKNOWN,))


def _differences(runs: Sequence[Summary]) -> list[Column]:
    """A column for every setting that is not the same in all runs."""
    flat = [_flat(own["config"]) for own in runs]
    names = dict.fromkeys(name for own in flat for name in own if not name.startswith("target_classes"))
    found = {name: [own.get(name, UNKNOWN) for own in flat] for name in names}
    return [
        Column(name.removeprefix("training_arguments."), tuple(Cell((_short(value),)) for value in values))
        for name, values in found.items()
        if len(set(values)) > 1
    ]


def _flat(config: Any, above: str = "") -> dict[str, str]:
    if not isinstance(config, dict):
        return {above: config if isinstance(config, str) else json.dumps(config, ensure_ascii=False)}
    parts = (_flat(value, f"{above}.{key}".removeprefix(".")) for key, value in config.items())
    return {name: value for part in parts for name, value in part.items()}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
