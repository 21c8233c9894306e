"""Base model, examples and kept space -> stored gradient rows of all splits."""

import sys
from pathlib import Path

from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.devices import AUTO
from gradiend.gradients.begun import BegunShard, write_split
from gradiend.gradients.capture import Capture
from gradiend.gradients.live import LiveRows
from gradiend.gradients.rows import ROW_COLUMNS, bytes_needed, require_free_space
from gradiend.gradients.shards import bytes_of_others, in_shards, read_shard, record_shards
from gradiend.identity import identity
from gradiend.interruption import deferred
from gradiend.model_files import model_files
from gradiend.partial import Partial
from gradiend.settings import CacheGradients, canonical
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.stages.live import neutral_rows, split_rows
from gradiend.tables import NEUTRAL, read_examples, read_table, write_table

SPLITS = ("train", "validation", "test")


def run(
    *,
    settings: CacheGradients,
    examples: Path,
    neutral: Path,
    space: Path,
    mlm_head: Path | None = None,
    eval_batch_size: int = 32,
    device: str = AUTO,
    shard: str = "0/1",
    made_from: str = "",
    partial: Path,
    out: Path,
) -> str:
    """Write one shard of the store of every split under `out`; the first one writes the tables of all rows, too.

    `shard` is "number/count", numbers from 0; rows are the same, bit for bit, in however many. The size of all shards
    is compared with the free disk space first. `made_from` is remembered beside the store; `partial` is the file of the
    state to go on from after a kill.
    """
    number, shards = read_shard(shard)
    kept = ParameterSpace.load(space)
    base = load_base_model(settings.base_model, device=device)
    model = with_mlm_head(base, settings.base_model, mlm_head)
    capture = Capture(model, kept)
    table = read_examples(examples)
    rows = {split: split_rows(settings, model, capture, table, split, eval_batch_size) for split in SPLITS}
    by_base = capture if model is base else Capture(base, kept)
    rows["neutral"] = neutral_rows(settings, base, by_base, read_table(neutral, NEUTRAL), eval_batch_size)
    needed = sum(bytes_needed(len(own.table), 1 if split == "neutral" else 2, kept) for split, own in rows.items())
    base_files = model_files(settings.base_model.name, settings.base_model.revision)
    inputs = [path for path in (examples, neutral, space, mlm_head) if path is not None]
    others = (f"{number}/{shards}", str(eval_batch_size))
    mine = identity("cache_gradients", canonical(settings), *others, read=inputs, large=base_files)
    with BegunShard(out, number, Partial(partial, mine)) as begun:
        require_free_space(out, needed - bytes_of_others(out, number) - begun.bytes)
        for own in rows.values():
            own.check()
        placed = {split: in_shards(own.table, own.by_length(), shards) for split, own in rows.items()}
        with deferred() as signals:
            for split, own in rows.items():
                write_split(begun, split, own, placed[split], number, shards, signals)
        if number == 0:
            for split, table in placed.items():
                write_table(out / split / "rows.parquet", table[list(ROW_COLUMNS)])
            record_shards(out, shards, made_from)
        begun.finish(list(rows))
    counts = {split: int((table["shard"] == number).sum()) for split, table in placed.items()}
    own_share = f"shard {number} of {shards} of the " if shards > 1 else ""
    found = ", ".join(f"{count} {split}" for split, count in counts.items())
    size = f"{needed / 2**20:.0f} MiB" + (" in all" if shards > 1 else "")
    return f"cache_gradients: {own_share}rows of {kept.input_dim} entries: {found} ({size}){_dropped(rows)}"


def _dropped(rows: dict[str, LiveRows]) -> str:
    """How many texts were left out, by split."""
    counts = ", ".join(f"{own.dropped} {split}" for split, own in rows.items() if own.dropped)
    return f"; dropped, too long or without a token before the slot: {counts}" if counts else ""


if __name__ == "__main__":
    sys.exit(main(run))
