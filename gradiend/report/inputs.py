"""What a report is made of: the result files of one run, read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradiend.errors import GradiendError
from gradiend.report.entries import trained_part
from gradiend.report.numbers import known, number
from gradiend.settings import STAGES
from gradiend.space import ParameterSpace

Json = Mapping[str, Any]
FIRST_STAGES = ("build_demo_data", "build_demo_model", "check_demo_model")


@dataclass(frozen=True)
class Inputs:
    """The contents of the files of a finished run; trainings and evaluations are sorted by seed.

    `weights` `[input_dim]` are those of the GRADIEND's `weights_of`, decoder or encoder. `config` is the run's config
    file without what determines no result, `folder` where the run's results are, `name` the run's
    where there are several. `benchmarks` has `job, seconds,
    memory` (MiB), missing values where nothing was measured; `mlm_head` is the quality of the head that gradients
    came through, where they did not come through the model's own, `tuning` the trials of a search for the rate,
    `controls` the trainings on batches drawn regardless of class, sorted by seed.
    """

    target_classes: Sequence[str]
    trainings: Sequence[Json]
    evaluations: Sequence[Json]
    seed_report: Json
    data_summary: Json
    metrics: Json
    encodings: pd.DataFrame
    grid: pd.DataFrame
    decoder: Json
    rewritten: Json
    predictions: pd.DataFrame
    examples: pd.DataFrame
    neutral: pd.DataFrame
    space: ParameterSpace
    weights: np.ndarray
    model_config: Json
    config: Json
    folder: str
    benchmarks: pd.DataFrame
    mlm_head: Json | None = None
    tuning: pd.DataFrame | None = None
    controls: Sequence[Json] = ()
    name: str = ""

    @cached_property
    def selected(self) -> int:
        """The selected seed. Raises `GradiendError` where it is none of those that were trained."""
        found, tried = self.seed_report["best_seed"], [run["seed"] for run in self.seed_report["runs"]]
        trained = [training["seed"] for training in self.trainings if training["seed"] in tried]
        if found not in trained:
            what = f"best_seed {found!r} of its seed_report.json is none of the trained seeds {trained}"
            raise GradiendError(f"{self.folder}: {what}; delete that file and run again")
        return int(found)

    @cached_property
    def by_loss(self) -> bool:
        """Whether seeds are judged by their loss instead of their correlation."""
        return bool(self.seed_report["convergence_metric"] == "loss")

    @cached_property
    def condition(self) -> str:
        """When a seed converges, in words."""
        sign = "≤" if self.by_loss else "≥"
        return f"{self.seed_report['convergence_metric']} {sign} {number(self.seed_report['threshold'], 6)}"

    @cached_property
    def sign(self) -> float:
        """-1 where a GRADIEND that was not normalised encodes the first target class to -1, else 1."""
        config = self.model_config
        unsigned = not config["normalized"] and config["supervised"] is None
        return -1.0 if unsigned and (config["correlation"] or 0) < 0 else 1.0

    @cached_property
    def normalized(self) -> bool:
        """Whether signs were turned so that the first target class encodes to +1."""
        return bool(self.model_config["normalized"])

    @cached_property
    def weights_of(self) -> str:
        """The part of the GRADIEND that was trained: the decoder, or the encoder where only that was."""
        return trained_part(self.model_config)

    @cached_property
    def placeholder(self) -> str:
        """What marks the slot in the texts."""
        return str(self.config["data"]["mask_placeholder"])

    @cached_property
    def training(self) -> Json:
        """The training of the selected seed."""
        return next(training for training in self.trainings if training["seed"] == self.selected)

    @cached_property
    def lms_ratio(self) -> float | None:
        """The share of the base model's LMS that a candidate must keep, where the decoder evaluation says it."""
        return known(self.decoder.get("lms_ratio"))

    @cached_property
    def lms_unit(self) -> str:
        """What is scored for the LMS."""
        objective = self.model_config["made_by"].get("prediction_objective")
        return "texts" if objective == "sequence_classification" else "tokens"

    @cached_property
    def entries(self) -> int:
        """Number of entries of the selected parameters, kept or not."""
        return sum(size for _, size in entry_counts(self.space).values())

    @cached_property
    def classes(self) -> list[str]:
        """The target classes, then all others of the data, sorted."""
        there = {name for split in self.data_summary["examples"].values() for name in split}
        return [*self.target_classes, *sorted(there - set(self.target_classes))]


def entry_counts(space: ParameterSpace) -> dict[str, tuple[int, int]]:
    """Parameter -> (number of kept entries, number of entries)."""
    everything = ParameterSpace(space.shapes, dict.fromkeys(space.shapes)).sizes
    return {name: (kept, everything[name]) for name, kept in space.sizes.items()}


def read_benchmarks(folder: Path | None) -> pd.DataFrame:
    """`job, seconds, memory` of Snakemake's benchmark files, in the order of the pipeline, without the report's own.

    A file that is not there, or not complete, is left out: benchmarks say what a run cost, and nothing else
    depends on them.
    """
    files = (
        sorted(path for path in folder.glob("**/*.tsv") if path.is_file())
        if folder is not None and folder.is_dir()
        else []
    )
    found = [_benchmark(path) for path in files if path.stem != "report"]
    table = pd.DataFrame([one for one in found if one is not None], columns=["job", "seconds", "memory"])
    return table.iloc[table["job"].map(_place).argsort(kind="stable")].reset_index(drop=True)


def _benchmark(path: Path) -> tuple[str, float, float] | None:
    """Of repeated measurements the last."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t") if lines else []
    if len(lines) < 2 or not {"s", "max_rss"} <= set(header):
        return None
    values = dict(zip(header, lines[-1].split("\t"), strict=False))
    return path.stem, _measured(values.get("s")), _measured(values.get("max_rss"))


def _measured(text: str | None) -> float:
    """Snakemake writes "-" or "NA" for what it could not measure."""
    return float(pd.to_numeric(text, errors="coerce")) if text is not None else float("nan")


def _place(job: str) -> int:
    order = [*FIRST_STAGES, *STAGES]
    return next((place for place, stage in enumerate(order) if job.startswith(stage)), len(order))
