"""The selected GRADIEND -> its encoder's scores on validation, test and neutral rows, and every encoded value."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gradiend.devices import AUTO
from gradiend.encoding import (
    NEUTRAL,
    Encoding,
    encode_neutral,
    in_words,
    metrics_of,
    neutral_metrics_of,
    no_metrics,
    nothing_encoded,
)
from gradiend.files import write_json
from gradiend.model import GradiendModel
from gradiend.settings import EvaluateEncoder
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.stages.evaluate_encoder import UNTRAINED, encoded_split, training_direction, used_positions
from gradiend.stages.own_gradiend import own_gradiend
from gradiend.stages.row_source import RowSource
from gradiend.tables import write_table

SPLITS = ("validation", "test", NEUTRAL)


def run(
    *,
    settings: EvaluateEncoder,
    model: Path,
    space: Path,
    train_rows: Path | None = None,
    validation_rows: Path | None = None,
    test_rows: Path | None = None,
    neutral_rows: Path | None = None,
    examples: Path | None = None,
    neutral: Path | None = None,
    mlm_head: Path | None = None,
    eval_batch_size: int = 32,
    device: str = AUTO,
    metrics: Path,
    encodings: Path,
) -> str:
    """Write `metrics.json`, a block a split, and `encodings.parquet`, the rows that the blocks are computed on.

    Rows are stored ones (`rows.parquet` files) or, where not given, computed from `examples` and the table
    `neutral`. With neither of `neutral_rows` and `neutral` there are no neutral texts.
    """
    gradiend = own_gradiend(model, settings)
    rows_space = ParameterSpace.load(space)
    source = RowSource(settings.live, rows_space, examples, eval_batch_size, device, neutral, mlm_head)
    stored = {"train": train_rows, "validation": validation_rows, "test": test_rows, NEUTRAL: neutral_rows}
    encoded = _encoded(gradiend, source, settings, stored)
    blocks = _blocks(encoded, settings)
    write_table(encodings, _table(encoded))
    write_json(metrics, blocks)
    return f"evaluate_test: {in_words(blocks['test'])} on test (n = {blocks['test']['n']}){_neutral(blocks)}"


def _encoded(
    gradiend: GradiendModel, source: RowSource, settings: EvaluateEncoder, stored: Mapping[str, Path | None]
) -> dict[str, Encoding]:
    """The encoding of every split, empty where there is nothing to encode or nothing to encode it with."""
    found = dict.fromkeys(SPLITS, nothing_encoded())
    if settings.supervised_decoder:
        return found
    direction = training_direction(source, stored["train"], settings)
    for split in ("validation", "test"):
        found[split] = encoded_split(gradiend, source.open(split, stored[split]), settings, direction)
    if stored[NEUTRAL] is not None or source.neutral is not None:
        rows = source.open(NEUTRAL, stored[NEUTRAL])
        found[NEUTRAL] = encode_neutral(gradiend, rows, used_positions(rows, settings))
    return found


def _blocks(encoded: Mapping[str, Encoding], settings: EvaluateEncoder) -> dict[str, dict[str, Any]]:
    if settings.supervised_decoder:
        return {split: no_metrics(UNTRAINED) for split in SPLITS}
    scored = {split: metrics_of(encoded[split], seed=settings.seed) for split in ("validation", "test")}
    return scored | {NEUTRAL: neutral_metrics_of(encoded[NEUTRAL])}


def _table(encoded: Mapping[str, Encoding]) -> pd.DataFrame:
    """`example_id, split, factual_class, alternative_class, label, encoded`."""
    table = pd.concat([encoded[split].table.assign(split=split) for split in SPLITS], ignore_index=True)
    table.insert(1, "split", table.pop("split"))
    return table


def _neutral(blocks: Mapping[str, Any]) -> str:
    statistics = blocks[NEUTRAL]["classes"].get(NEUTRAL)
    return f", neutral mean {statistics['mean']:.2f}" if statistics and statistics["mean"] is not None else ""


if __name__ == "__main__":
    sys.exit(main(run))
