"""The result files of a run -> what its figures are drawn from."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gradiend.files import read_json
from gradiend.model import GradiendModel
from gradiend.report.entries import trained_weights
from gradiend.report.inputs import Inputs, read_benchmarks
from gradiend.tables import ENCODINGS, EXAMPLES, GRID, NEUTRAL, PREDICTIONS, TRIALS, read_table
from gradiend.trainer.pipeline import Pipeline


def inputs_of(pipeline: Pipeline) -> Inputs:
    """What the report is made of, as far as it is there: every figure reads only the files that it shows."""
    own, seeds = pipeline.layout, pipeline.tried() or []
    gradiend = GradiendModel.from_pretrained(own.model)
    return Inputs(
        target_classes=pipeline.config.target_classes,
        trainings=[read_json(own.training(seed)) for seed in sorted(seeds)],
        evaluations=[read_json(own.evaluation(seed)) for seed in sorted(seeds)],
        seed_report=read_json(own.seed_report),
        data_summary=read_json(own.data_summary),
        metrics=_json(own.metrics),
        encodings=_table(own.encodings, ENCODINGS),
        grid=_table(own.grid, GRID),
        decoder=_json(own.decoder_summary),
        rewritten=_json(own.rewritten),
        predictions=_table(own.predictions, PREDICTIONS),
        examples=_table(own.examples, EXAMPLES),
        neutral=_table(own.neutral, NEUTRAL),
        weights=trained_weights(gradiend),
        config=json.loads(pipeline.settings("report"))["config"],
        folder=str(own.root),
        mlm_head=_json(own.mlm_head_quality) or None,
        tuning=_table(own.trials, TRIALS) if own.trials.exists() else None,
        space=gradiend.space,
        model_config=dataclasses.asdict(gradiend.config),
        benchmarks=read_benchmarks(own.root / "benchmarks"),
    )


def _json(path: Path) -> Any:
    return read_json(path) if path.exists() else {}


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    return read_table(path, columns) if path.exists() else pd.DataFrame()
