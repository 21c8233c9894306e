"""One seed's GRADIEND and the validation rows -> the encoder's score, the metric by which seeds are selected."""

import sys
from pathlib import Path
from typing import Any

from torch import Tensor

from gradiend.baselines import mean_difference
from gradiend.caps import OF_THE_ENCODER, capped, require_each_class
from gradiend.devices import AUTO
from gradiend.encoding import Encoding, encode_split, in_words, metrics_of, no_metrics
from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json
from gradiend.gradients.rows import Rows, classes_by_example
from gradiend.model import GradiendModel
from gradiend.settings import CrossEncode, EvaluateEncoder
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.stages.own_gradiend import own_gradiend
from gradiend.stages.row_source import RowSource

UNTRAINED = "supervised_decoder: the encoder is not trained"


def run(
    *,
    settings: EvaluateEncoder,
    seed: int,
    model: Path,
    training: Path,
    train_rows: Path | None = None,
    validation_rows: Path | None = None,
    examples: Path | None = None,
    mlm_head: Path | None = None,
    space: Path | None = None,
    eval_batch_size: int = 32,
    device: str = AUTO,
    out: Path,
) -> str:
    """Write `evaluation.json`: metrics, `seed`, and `loss` and `training_score` of the training; no verdict.

    Rows are stored ones (`rows.parquet` files) or, where not given, computed. Their space is by default the
    GRADIEND's own.
    """
    trained = _training(training, model, seed)
    gradiend = own_gradiend(model, settings)
    rows_space = gradiend.space if space is None else ParameterSpace.load(space)
    source = RowSource(settings.live, rows_space, examples, eval_batch_size, device, mlm_head=mlm_head)
    metrics = _metrics(gradiend, source, settings, train_rows, validation_rows)
    write_json(out, metrics | {"seed": seed, "loss": trained["loss"], "training_score": trained["training_score"]})
    beside = ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in metrics["baselines"].items())
    return f"seed {seed}: {in_words(metrics)} on validation (n = {metrics['n']}; {beside})"


def _training(path: Path, model: Path, seed: int) -> dict[str, Any]:
    """The training of a model. Raises `GradiendError` where the file is of another seed or run."""
    found = read_json(path)
    if found["seed"] != seed:
        raise GradiendError(f"{path}: is of seed {found['seed']}, not {seed}: give the files of one seed")
    if found != read_json(model / "training.json"):
        raise GradiendError(f"{path}: is of another training than {model}; delete both and run again")
    return found


def training_direction(source: RowSource, train_rows: Path | None, settings: EvaluateEncoder) -> Tensor:
    """The mean-difference direction of the training rows, `[input_dim]`."""
    return mean_difference(source.open("train", train_rows), settings.source, settings.target_classes)


def used_positions(rows: Rows, settings: EvaluateEncoder | CrossEncode) -> list[int]:
    """The positions of the rows that an evaluation reads: capped, and balanced by factual class if so set."""
    classes, balanced = classes_by_example(rows.table), settings.encoder_eval_balance
    if balanced:
        require_each_class(classes, settings.max_size, OF_THE_ENCODER)
    positions: list[int] = capped(classes, settings.max_size, balanced=balanced, seed=settings.seed).tolist()
    return positions


def encoded_split(gradiend: GradiendModel, rows: Rows, settings: EvaluateEncoder, direction: Tensor) -> Encoding:
    """The rows of a split that an evaluation reads, encoded."""
    return encode_split(
        gradiend,
        rows,
        used_positions(rows, settings),
        source=settings.source,
        target_classes=settings.target_classes,
        direction=direction,
    )


def _metrics(
    gradiend: GradiendModel,
    source: RowSource,
    settings: EvaluateEncoder,
    train_rows: Path | None,
    validation_rows: Path | None,
) -> dict[str, Any]:
    if settings.supervised_decoder:
        return no_metrics(UNTRAINED)
    direction = training_direction(source, train_rows, settings)
    rows = source.open("validation", validation_rows)
    return metrics_of(encoded_split(gradiend, rows, settings, direction), seed=settings.seed)


def _number(value: float | None) -> str:
    return "null" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main(run))
