"""Gradient rows -> one trained GRADIEND, for one seed."""

import json
import logging
import math
import sys
from pathlib import Path
from typing import Any

from gradiend.devices import AUTO, devices_of_training
from gradiend.errors import GradiendError
from gradiend.files import digest_bytes, read_json, remove, write_json
from gradiend.identity import training_identity
from gradiend.model import GradiendModel
from gradiend.partial import Partial
from gradiend.settings import Train, canonical
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.stages.row_source import RowSource
from gradiend.training import Trained, reads_evaluation_rows, train

LOG = logging.getLogger(__name__)


def run(
    *,
    settings: Train,
    seed: int,
    space: Path,
    train_rows: Path | None = None,
    validation_rows: Path | None = None,
    examples: Path | None = None,
    mlm_head: Path | None = None,
    tuned: Path | None = None,
    eval_batch_size: int = 32,
    device_encoder: str = AUTO,
    device_decoder: str = AUTO,
    device: str = AUTO,
    keep_seed_runs: int = 1,
    partial: Path | None = None,
    out: Path,
    training: Path,
) -> str:
    """Write the model folder `out`, and its training.json also as `training`, which outlives the folder.

    Rows are stored ones (`rows.parquet` files) or, where not given, computed from `examples` by the base model.
    `tuned` is the file of the tuned learning rate, for learning_rate "tune".
    Devices not given follow from the number of GPUs. Where `keep_seed_runs` is 0, intermediate checkpoints are
    deleted at the end, as with `delete_models`. `partial` is the file of the state to go on from after a kill.
    """
    kept = ParameterSpace.load(space)
    checkpoints = Checkpoints(out.parent / "checkpoints", only_best=settings.save_only_best)
    rows = RowSource(settings.live, kept, examples, eval_batch_size, device, mlm_head=mlm_head)
    stores = [path for path in (train_rows, validation_rows) if path is not None]
    read = [path for path in (examples, mlm_head, tuned) if path is not None]
    mine = training_identity("train", settings, kept.digest, str(seed), read=read, stores=stores, live=settings.live)
    begun = Partial(partial, mine) if partial else None
    if begun is None or not begun.is_usable():
        checkpoints.clear()
    trained = train(
        settings,
        kept,
        rows.open("train", train_rows),
        rows.open("validation", validation_rows) if reads_evaluation_rows(settings) else None,
        seed,
        about={"examples_digest": _digest(*([examples] if examples else stores))},
        save_checkpoint=checkpoints.save,
        devices=devices_of_training(device_encoder, device_decoder),
        tuned=tuned_rate(tuned) if tuned else None,
        partial=begun,
    )
    content = training_json(trained, settings, seed)
    trained.model.save_pretrained(out, training=content)
    write_json(training, content)
    if begun is not None:
        begun.clear()
    if settings.delete_models or not keep_seed_runs:
        checkpoints.clear()
    for warning in trained.warnings:
        LOG.warning(warning)
    return f"seed {seed}: {_summary(trained)}"


class Checkpoints:
    """The folders `step_{n}` of intermediate models; with `only_best` the last one saved replaces all others."""

    def __init__(self, folder: Path, *, only_best: bool) -> None:
        self._folder, self._only_best = folder, only_best

    def save(self, step: int, model: GradiendModel) -> None:
        """Write one folder."""
        new = self._folder / f"step_{step}"
        model.save_pretrained(new)
        for folder in self._folder.glob("step_*") if self._only_best else ():
            if folder != new:
                remove(folder)

    def clear(self) -> None:
        """Remove them all, and the folder that they are in unless it holds something else."""
        for folder in self._folder.glob("step_*"):
            remove(folder)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()


def training_json(trained: Trained, settings: Train, seed: int) -> dict[str, Any]:
    """What training.json says, but for the time it took."""
    return {
        "seed": seed,
        "arguments": json.loads(canonical(settings)),
        "learning_rate": trained.learning_rate,
        "steps": trained.steps,
        "best_step": trained.best_step,
        "training_score": trained.training_score,
        "loss": trained.loss,
        "curves": trained.curves,
        "warnings": trained.warnings,
    }


def tuned_rate(path: Path) -> float:
    """The rate that a search found. Raises `GradiendError` where the file does not say one."""
    rate = read_json(path).get("learning_rate")
    if not isinstance(rate, float) or not 0 < rate < math.inf:
        raise GradiendError(f"{path}: learning_rate {rate!r} is wrong: should be a number > 0; delete it and run again")
    return rate


def _digest(*paths: Path) -> str:
    """SHA-256 of the examples or, where they are not given, of the tables that say which ones the rows are of."""
    return digest_bytes(*(path.read_bytes() for path in paths))


def _summary(trained: Trained) -> str:
    parts = [f"{trained.steps} steps", f"best step {trained.best_step}"]
    if trained.judged:
        correlation = trained.model.config.correlation
        shown = "null" if correlation is None else f"{correlation:.2f}"
        split = "validation" if trained.judged_in_training else "train"
        parts.append(f"correlation {shown} ({split}, n = {trained.judged})")
    return ", ".join([*parts, f"loss {trained.loss:.2g}"])


if __name__ == "__main__":
    sys.exit(main(run))
