"""The reports of several runs -> one page that has them all."""

import os
import sys
from pathlib import Path

from gradiend.files import read_json, write_text
from gradiend.report.index import render_index
from gradiend.stages.command import main


def run(*, numbers: list[Path], out: Path) -> str:
    """Write the page `out`. `numbers` are the runs' report.json; a run is named by its folder."""
    summaries = {path.parent.name: read_json(path) for path in numbers}
    pages = {path.parent.name: path.with_name("report.html") for path in numbers}
    links = {run: Path(os.path.relpath(page, out.parent)).as_posix() for run, page in pages.items()}
    write_text(out, render_index(str(out.parent), summaries, links))
    return f"index: {len(summaries)} runs in {out}"


if __name__ == "__main__":
    sys.exit(main(run))
