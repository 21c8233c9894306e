"""The report's figures, for a trainer: of what is there, or of the rows that a call asks for."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd
from matplotlib.figure import Figure

from gradiend.errors import GradiendError
from gradiend.experiment import Direction
from gradiend.report.outcomes import outcomes
from gradiend.report.picture import Picture
from gradiend.report.pictures_decoder import probability_shift
from gradiend.report.pictures_encoder import encoded_values
from gradiend.report.pictures_training import convergence
from gradiend.trainer.pipeline import Pipeline
from gradiend.trainer.results import inputs_of


def convergence_figure(pipeline: Pipeline) -> Figure:
    """Loss, correlation and mean encoded values of all seeds, by step."""
    return _figure(convergence(inputs_of(pipeline)))


def distribution_figure(pipeline: Pipeline, metrics: Mapping[str, Any], encodings: pd.DataFrame, split: str) -> Figure:
    """The encoded values of a split and of neutral texts; the report's figure shows test, so a split takes its name."""
    wanted = encodings[encodings["split"].isin([split, "neutral"])].replace({"split": {split: "test"}})
    shown = encodings[encodings["split"] == "neutral"] if split == "neutral" else wanted
    inputs = dataclasses.replace(inputs_of(pipeline), encodings=shown, metrics={"test": metrics[split]})
    return _figure(encoded_values(inputs))


def shift_figure(pipeline: Pipeline, target_class: str, direction: Direction) -> Figure:
    """What a chosen rewrite does to the probabilities. Raises `GradiendError` for a direction nothing was chosen in."""
    inputs = inputs_of(pipeline)
    found = outcomes(inputs.decoder, inputs.target_classes)
    outcome = next((one for one in found if (one.target_class, one.direction) == (target_class, direction)), None)
    if outcome is None:
        raise GradiendError(f"direction: '{direction}' of '{target_class}' was not looked for")
    return _figure(probability_shift(inputs, outcome))


def require_direction(direction: str) -> None:
    """Raise `GradiendError` unless there is such a direction for a target class."""
    known = [name for name in get_args(Direction) if name != "balance"]
    if direction not in known:
        raise GradiendError(f"direction: '{direction}' is wrong: should be {' or '.join(map(repr, known))}")


def _figure(picture: Picture) -> Figure:
    if picture.figure is None:
        raise GradiendError(f"{picture.title}: {picture.missing}")
    return picture.figure
