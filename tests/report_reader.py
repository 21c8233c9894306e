"""The page of a made-up run, and what a reader sees of it."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from report_runs import Files
from safetensors.torch import save_file

from gradiend.files import write_json
from gradiend.report.inputs import Inputs, read_benchmarks
from gradiend.report.page import render
from gradiend.report.sections import sections
from gradiend.settings import Report, canonical
from gradiend.space import ParameterSpace
from gradiend.stages import report
from gradiend.tables import write_table


def write_run(folder: Path, run: Files) -> dict[str, Any]:
    """Write a run's files; the arguments of the stage."""
    settings = Report(target_classes=run["model_config"]["target_classes"], config=run["config"])
    given: dict[str, Any] = {"settings": settings}
    for name, content in run.items():
        if name == "config":
            continue
        if isinstance(content, list):
            given[name] = [folder / f"{name}-{one['seed']}.json" for one in content]
            for path, one in zip(given[name], content, strict=True):
                write_json(path, one)
        elif isinstance(content, pd.DataFrame):
            given[name] = folder / f"{name}.parquet"
            write_table(given[name], content)
        elif isinstance(content, np.ndarray):
            given[name] = folder / "model.safetensors"
            row = torch.tensor(content)[None].float()
            biases = {"encoder.bias": torch.zeros(1), "decoder.bias": torch.zeros(len(content))}
            save_file({"encoder.weight": row, "decoder.weight": row.T.clone(), **biases}, given[name])
        elif isinstance(content, ParameterSpace):
            given[name] = folder / "space.safetensors"
            content.save(given[name])
        else:
            given[name] = folder / f"{name}.json"
            write_json(given[name], content)
    return given | {
        "plots": folder / "plots",
        "numbers": folder / "report.json",
        "out": folder / "report.html",
    }


def page_of(folder: Path, run: Files, **more: Any) -> str:
    given = write_run(folder, run) | more
    report.run(**given)
    return Path(given["out"]).read_text(encoding="utf-8")


def inputs_of(run: Files, benchmarks: Path | None = None) -> Inputs:
    """The run as the report reads it."""
    return Inputs(
        **run,
        target_classes=run["model_config"]["target_classes"],
        folder="out",
        benchmarks=read_benchmarks(benchmarks),
    )


def words_of(run: Files, benchmarks: Path | None = None) -> str:
    """What a reader sees of a run's page, its figures left empty (writing them takes a second)."""
    inputs = inputs_of(run, benchmarks)
    parts = sections(inputs)
    empty = '<svg xmlns="http://www.w3.org/2000/svg"></svg>'
    figures = {one.name: empty for part in parts for one in part.pictures if one.figure is not None}
    return Reader(render(inputs, parts, figures, "plots")).text


def options_of(given: dict[str, Any]) -> list[str]:
    options = ["--settings", canonical(given["settings"])]
    for name, value in given.items():
        if name != "settings":
            options += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return options


class Reader(HTMLParser):
    """Collects ids, links, tags and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.labels: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            elif name in ("href", "src", "xlink:href", "action", "data", "poster", "srcset"):
                self.links.append(str(value))
            elif name == "aria-label":
                self.labels.append(str(value))

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())
