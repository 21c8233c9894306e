"""Everything that a run has found -> its figures, and one page that shows them with the answers and the numbers."""

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

from gradiend import plots as drawing
from gradiend.files import read_json, replacing, write_json, write_text
from gradiend.model import read_gradiend
from gradiend.report.entries import trained_weights
from gradiend.report.inputs import Inputs, read_benchmarks
from gradiend.report.page import render
from gradiend.report.picture import Picture
from gradiend.report.sections import Section, sections
from gradiend.report.summary import summary
from gradiend.report.tables_provenance import config_file
from gradiend.settings import Report
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.tables import ENCODINGS, GRID, NEUTRAL, PREDICTIONS, TRIALS, read_examples, read_table


def run(
    *,
    settings: Report,
    trainings: list[Path],
    evaluations: list[Path],
    controls: list[Path],
    seed_report: Path,
    data_summary: Path,
    examples: Path,
    neutral: Path,
    metrics: Path,
    encodings: Path,
    grid: Path,
    decoder: Path,
    rewritten: Path,
    mlm_head: Path | None = None,
    predictions: Path,
    space: Path,
    weights: Path,
    model_config: Path,
    tuning: Path | None = None,
    benchmarks: Path | None = None,
    name: str | None = None,
    plots: Path,
    numbers: Path,
    out: Path,
) -> str:
    """Write `out`, the page, `numbers`, its answers as JSON, and the folder `plots`.

    `plots` gets an SVG file of every figure, a CSV file of what it is drawn from, and the run's config.yaml.
    `weights` is the GRADIEND's model.safetensors, `mlm_head` the quality of the head that gradients came through,
    `tuning` the trials of a search for the learning rate, `benchmarks` the folder of Snakemake's, if any,
    `name` that of the run where there are several.
    """
    gradiend = read_gradiend(ParameterSpace.load(space), model_config, weights)
    inputs = Inputs(
        target_classes=settings.target_classes,
        trainings=_by_seed(trainings),
        evaluations=_by_seed(evaluations),
        controls=_by_seed(controls),
        seed_report=read_json(seed_report),
        data_summary=read_json(data_summary),
        metrics=read_json(metrics),
        encodings=read_table(encodings, ENCODINGS),
        grid=read_table(grid, GRID),
        decoder=read_json(decoder),
        rewritten=read_json(rewritten),
        predictions=read_table(predictions, PREDICTIONS),
        examples=read_examples(examples),
        neutral=read_table(neutral, NEUTRAL),
        space=gradiend.space,
        weights=trained_weights(gradiend),
        model_config=dataclasses.asdict(gradiend.config),
        config=settings.config,
        folder=str(out.parent),
        name=name or "",
        benchmarks=read_benchmarks(benchmarks),
        mlm_head=read_json(mlm_head) if mlm_head else None,
        tuning=read_table(tuning, TRIALS) if tuning else None,
    )
    parts = sections(inputs)
    svgs = {one.name: drawing.svg(one.figure, one.name) for one in _pictures(parts) if one.figure is not None}
    tables = {one.name: one.data.to_csv(index=False) for one in _pictures(parts) if one.data is not None}
    files = {f"{name}.svg": text for name, text in svgs.items()} | {
        f"{name}.csv": text for name, text in tables.items()
    }
    _write_all(plots, files | {"config.yaml": config_file(inputs)})
    write_json(numbers, summary(inputs))
    write_text(out, render(inputs, parts, svgs, Path(os.path.relpath(plots, out.parent)).as_posix()))
    return f"report: {out}"


def _pictures(parts: list[Section]) -> list[Picture]:
    return [picture for part in parts for picture in part.pictures]


def _by_seed(paths: list[Path]) -> list[dict[str, Any]]:
    return sorted((read_json(path) for path in paths), key=lambda content: int(content["seed"]))


def _write_all(folder: Path, texts: dict[str, str]) -> None:
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, text in texts.items():
            write_text(temporary / name, text)


if __name__ == "__main__":
    sys.exit(main(run))
