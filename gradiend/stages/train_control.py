"""Examples in batches drawn regardless of class -> a GRADIEND trained as the run's own, and its score on test."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradiend.devices import AUTO, devices_of_training
from gradiend.encoding import encode
from gradiend.examples.mixing import mixed
from gradiend.files import remove, write_json
from gradiend.gradients.begun import BegunShard, write_split
from gradiend.gradients.live import LiveRows
from gradiend.gradients.rows import ROW_COLUMNS, Rows, StoredRows, bytes_needed, require_free_space
from gradiend.gradients.shards import in_shards
from gradiend.identity import training_identity
from gradiend.interruption import deferred
from gradiend.labels import labels
from gradiend.loop import Diverged
from gradiend.model import GradiendModel
from gradiend.partial import Partial
from gradiend.scores import bootstrap_interval, correlation
from gradiend.settings import EvaluateEncoder, TrainControl
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.stages.evaluate_encoder import used_positions
from gradiend.stages.live import open_split
from gradiend.stages.post_prune import pruned
from gradiend.stages.row_source import RowSource
from gradiend.stages.train import training_json, tuned_rate
from gradiend.tables import read_examples, write_table
from gradiend.training import oriented, reads_evaluation_rows, train, untrained


def run(
    *,
    settings: TrainControl,
    seed: int,
    space: Path,
    examples: Path,
    validation_rows: Path | None = None,
    test_rows: Path | None = None,
    mlm_head: Path | None = None,
    tuned: Path | None = None,
    eval_batch_size: int = 32,
    device_encoder: str = AUTO,
    device_decoder: str = AUTO,
    device: str = AUTO,
    partial: Path,
    out: Path,
) -> str:
    """Write `out`: what training.json says, and `control` and `random_encoder`, its scores after and before training.

    The seed draws the batches, the initial weights and the order of the batches. Rows of validation and test are
    stored ones (`rows.parquet` files) or, where not given, computed; those of training are computed here.
    `partial` is the file of the state to go on from after a kill; rows lie beside it, in a folder of its name and
    ".rows".
    """
    kept = ParameterSpace.load(space)
    source = RowSource(settings.rows, kept, examples, eval_batch_size, device, mlm_head=mlm_head)
    stored = {"validation": validation_rows, "test": test_rows}
    splits = {split: source.open(split, rows) for split, rows in stored.items()}
    read = [path for path in (examples, mlm_head, tuned) if path is not None]
    stores = [path for path in stored.values() if path is not None]
    about = (kept.digest, str(seed), str(eval_batch_size))
    mine = training_identity("train_control", settings, *about, read=read, stores=stores, live=settings.rows)
    begun = Partial(partial, mine)
    folder = partial.with_suffix(".rows") / begun.identity[:16]
    rows = _training_rows(settings, source, examples, seed, folder)
    try:
        trained = train(
            settings.train,
            kept,
            rows,
            splits["validation"] if reads_evaluation_rows(settings.train) else None,
            seed,
            devices=devices_of_training(device_encoder, device_decoder),
            tuned=tuned_rate(tuned) if tuned else None,
            partial=begun,
        )
    except Diverged:  # as it would again
        begun.clear()
        _remove_rows(folder.parent)
        raise
    scores = _scores(
        {"control": trained.model, "random_encoder": untrained(settings.train, kept, seed)}, splits, settings
    )
    write_json(out, training_json(trained, settings.train, seed) | scores)
    begun.clear()
    _remove_rows(folder.parent)
    shown = ", ".join(f"{name.replace('_', ' ')} {_number(own['test']['correlation'])}" for name, own in scores.items())
    return f"train_control: seed {seed}: {shown} on test (n = {scores['control']['test']['n']})"


def _scores(
    models: Mapping[str, GradiendModel], splits: Mapping[str, Rows], settings: TrainControl
) -> dict[str, dict[str, Any]]:
    """By model and split. What has been trained is pruned as the run's own GRADIEND is; weights at random are not."""
    found = {}
    for name, model in models.items():
        own = oriented(model, settings.train, splits["validation"])
        if name == "control":
            own = pruned(own, settings.post_prune)
        found[name] = {split: score(own, rows, settings.evaluate_test) for split, rows in splits.items()}
    return found


def score(model: GradiendModel, rows: Rows, settings: EvaluateEncoder) -> dict[str, Any]:
    """`correlation, correlation_interval, n, reason` of the rows that an evaluation reads; positive is right."""
    positions = used_positions(rows, settings)
    encoded = model.config.sign * encode(model, rows, positions, settings.source)
    signs = labels(rows.table.iloc[positions], settings.source, settings.target_classes)
    found, interval = correlation(encoded, signs), bootstrap_interval(encoded, signs, seed=settings.seed)
    return {
        "correlation": found.value,
        "correlation_interval": None if interval is None else list(interval),
        "n": len(positions),
        "reason": found.reason,
    }


def _training_rows(settings: TrainControl, source: RowSource, examples: Path, seed: int, folder: Path) -> Rows:
    """Rows of batches drawn regardless of class; where the run stores rows they lie in `folder`.

    There the rerun of a job that was ended, whose folder has the same name, finds them. Those of others are removed.
    """
    _remove_rows(folder.parent, but=folder)
    if all((folder / "train" / name).exists() for name in ("rows.parquet", "shard-0.safetensors")):
        return StoredRows(folder / "train", source.space, "train")
    write_table(folder / "examples.parquet", mixed(read_examples(examples), seed))
    live = _live_rows(settings, source, folder / "examples.parquet")
    return _stored(live, folder) if settings.use_cached_gradients else live


def _remove_rows(parent: Path, but: Path | None = None) -> None:
    """Remove the folders of rows that jobs left, all of them or `but` one, and nothing else."""
    for folder in parent.glob("[0-9a-f]" * 16):
        if folder != but:
            remove(folder)
    if parent.is_dir() and not any(parent.iterdir()):
        parent.rmdir()


def _live_rows(settings: TrainControl, source: RowSource, examples: Path) -> LiveRows:
    batch_size, device, head = source.batch_size, source.device, source.mlm_head
    return open_split(settings.rows, source.space, examples, "train", batch_size, device=device, mlm_head=head)


def _stored(rows: LiveRows, folder: Path) -> StoredRows:
    """All rows in one shard, which gets its name last, and so says that they are there."""
    with BegunShard(folder, 0, Partial(folder / "rows.safetensors", folder.name)) as begun:
        require_free_space(folder, bytes_needed(len(rows.table), 2, rows.space) - begun.bytes)
        rows.check()
        table = in_shards(rows.table, rows.by_length(), 1)
        with deferred() as signals:
            write_split(begun, "train", rows, table, 0, 1, signals)
        write_table(folder / "train" / "rows.parquet", table[list(ROW_COLUMNS)])
        begun.finish(["train"])
    return StoredRows(folder / "train", rows.space, "train")


def _number(value: float | None) -> str:
    return "null" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main(run))
