"""The reports of several runs -> one page that has them all."""

import os
import sys
from pathlib import Path

from gradiend.files import read_json, write_text
from gradiend.report.common import Shown, shown_figures
from gradiend.report.index import render_index
from gradiend.stages.command import main


def run(*, numbers: list[Path], comparison: Path | None = None, figures: Path | None = None, out: Path) -> str:
    """Write the page `out`. `numbers` are the runs' report.json; a run is named by its folder.

    `comparison` is the summary of what compares the runs and `figures` the folder of its figures, if there are any.
    """
    summaries = {path.parent.name: read_json(path) for path in numbers}
    pages = {path.parent.name: path.with_name("report.html") for path in numbers}
    links = {run: _link(page, out) for run, page in pages.items()}
    shown, left_out = _compared(comparison, figures, out) if comparison and figures else ([], [])
    write_text(out, render_index(str(out.parent), summaries, links, shown, left_out))
    return f"index: {len(summaries)} runs in {out}"


def _compared(comparison: Path, figures: Path, out: Path) -> tuple[list[Shown], list[str]]:
    files = {path.stem: path for path in figures.glob("*.svg")}
    svgs = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    return shown_figures(read_json(comparison), svgs, {name: _link(path, out) for name, path in files.items()})


def _link(path: Path, page: Path) -> str:
    return Path(os.path.relpath(path, page.parent)).as_posix()


if __name__ == "__main__":
    sys.exit(main(run))
