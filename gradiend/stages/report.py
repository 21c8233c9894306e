"""Everything that a run has found -> its figures, and one page that shows them with the answers and the numbers."""

import sys
from pathlib import Path
from typing import Any

from gradiend import plots as drawing
from gradiend.files import read_json, replacing, write_text
from gradiend.report.inputs import Inputs, read_benchmarks
from gradiend.report.page import render
from gradiend.report.pictures import pictures
from gradiend.report.tuning import tuning_curve
from gradiend.settings import Report
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.tables import read_table


def run(
    *,
    settings: Report,
    trainings: list[Path],
    evaluations: list[Path],
    seed_report: Path,
    data_summary: Path,
    metrics: Path,
    encodings: Path,
    grid: Path,
    decoder: Path,
    rewritten: Path,
    mlm_head: Path | None = None,
    space: Path,
    model_config: Path,
    tuning: Path | None = None,
    benchmarks: Path | None = None,
    plots: Path,
    out: Path,
) -> str:
    """Write the folder `plots` of SVG files, and `out`, the page.

    `mlm_head` is the quality of the head that gradients came through, `tuning` are the trials of a search for the
    learning rate, `benchmarks` is the folder of Snakemake's, if any.
    """
    inputs = Inputs(
        target_classes=settings.target_classes,
        trainings=_by_seed(trainings),
        evaluations=_by_seed(evaluations),
        seed_report=read_json(seed_report),
        data_summary=read_json(data_summary),
        metrics=read_json(metrics),
        encodings=read_table(encodings),
        grid=read_table(grid),
        decoder=read_json(decoder),
        rewritten=read_json(rewritten),
        space=ParameterSpace.load(space),
        model_config=read_json(model_config),
        benchmarks=read_benchmarks(benchmarks),
        mlm_head=read_json(mlm_head) if mlm_head else None,
    )
    shown = [*pictures(inputs), *([tuning_curve(read_table(tuning), inputs.seed_report)] if tuning else [])]
    svgs = {one.name: drawing.svg(one.figure, one.name) for one in shown if one.figure is not None}
    _write_all(plots, svgs)
    write_text(out, render(inputs, shown, svgs))
    return f"report: {out}"


def _by_seed(paths: list[Path]) -> list[dict[str, Any]]:
    return sorted((read_json(path) for path in paths), key=lambda content: int(content["seed"]))


def _write_all(folder: Path, svgs: dict[str, str]) -> None:
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, text in svgs.items():
            write_text(temporary / f"{name}.svg", text)


if __name__ == "__main__":
    sys.exit(main(run))
