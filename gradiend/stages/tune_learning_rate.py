"""Stored gradient rows -> the learning rate, searched for around "auto" and chosen on validation."""

import dataclasses
import logging
import sys
from pathlib import Path

import pandas as pd

from gradiend.devices import AUTO, devices_of_training
from gradiend.files import write_json
from gradiend.gradients.rows import StoredRows
from gradiend.identity import training_identity
from gradiend.learning_rates import Rate, choose, remarks
from gradiend.partial import Partial
from gradiend.settings import TuneLearningRate
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.tables import write_table
from gradiend.tuning import tune

LOG = logging.getLogger(__name__)


def run(
    *,
    settings: TuneLearningRate,
    space: Path,
    train_rows: Path,
    validation_rows: Path,
    device_encoder: str = AUTO,
    device_decoder: str = AUTO,
    partial: Path,
    trials: Path,
    out: Path,
) -> str:
    """Write `trials`, a Parquet file with a line for every rate and seed, and `out`, JSON with the chosen rate alone.

    Nothing else is in `out`, so that what trains with it is stale only where the choice is another one. `partial` is
    the file of the state to go on from after a kill.
    """
    kept = ParameterSpace.load(space)
    stores = [train_rows, validation_rows]
    begun = Partial(partial, training_identity("tune_learning_rate", settings, kept.digest, stores=stores))
    rows = [StoredRows(table.parent, kept, split) for table, split in zip(stores, ("train", "validation"), strict=True)]
    found = tune(settings, kept, *rows, devices=devices_of_training(device_encoder, device_decoder), partial=begun)
    chosen, notes = choose(found, settings.train.convergent_metric), remarks(found, settings.train.convergent_metric)
    write_table(trials, pd.DataFrame([dataclasses.asdict(trial) for trial in found]))
    write_json(out, {"learning_rate": chosen.learning_rate})
    begun.clear()
    for note in notes:
        LOG.warning(note)
    warned = "".join(f"; WARNING: {note}" for note in notes)
    return f"tune_learning_rate: {_summary(chosen, settings)}{warned}"


def _summary(chosen: Rate, settings: TuneLearningRate) -> str:
    metric = settings.train.convergent_metric
    value = chosen.loss if metric == "loss" else chosen.correlation
    tried = f"{len(settings.factors)} rates"
    converged = f"{chosen.converged} of {chosen.seeds} seeds converged"
    return f"{chosen.learning_rate:.3g}, {chosen.factor:g} x auto, of {tried}: {converged}, mean {metric} {value:.3g}"


if __name__ == "__main__":
    sys.exit(main(run))
