"""The reports of several runs -> one page that has them all."""

import os
import sys
from pathlib import Path

from gradiend.files import read_json, write_text
from gradiend.report.index import render_index
from gradiend.stages.command import main


def run(*, numbers: list[Path], figures: Path | None = None, out: Path) -> str:
    """Write the page `out`. `numbers` are the runs' report.json; a run is named by its folder.

    `figures` is the folder of those that compare the runs, if there are any.
    """
    summaries = {path.parent.name: read_json(path) for path in numbers}
    pages = {path.parent.name: path.with_name("report.html") for path in numbers}
    links = {run: _link(page, out) for run, page in pages.items()}
    drawn = {path.stem.replace("_", " "): _link(path, out) for path in sorted(figures.glob("*.svg"))} if figures else {}
    write_text(out, render_index(str(out.parent), summaries, links, drawn))
    return f"index: {len(summaries)} runs in {out}"


def _link(path: Path, page: Path) -> str:
    return Path(os.path.relpath(path, page.parent)).as_posix()


if __name__ == "__main__":
    sys.exit(main(run))
