"""Base model, examples and kept space -> stored gradient rows of all splits."""

import sys
from pathlib import Path

from tqdm import tqdm

from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.devices import AUTO
from gradiend.gradients.capture import Capture
from gradiend.gradients.live import LiveRows
from gradiend.gradients.rows import ROW_COLUMNS, bytes_needed, require_free_space, writing_shard
from gradiend.gradients.shards import bytes_of_others, chunks_of, in_shards, read_shard, record_shards
from gradiend.settings import CacheGradients
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.stages.live import neutral_rows, split_rows
from gradiend.tables import read_table, write_table

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
    out: Path,
) -> str:
    """Write one shard of the store of every split under `out`; the first one writes the tables of all rows, too.

    `shard` is "number/count", numbers from 0; rows are the same, bit for bit, in however many. The size of all shards
    is compared with the free disk space first. `made_from` is remembered beside the store.
    """
    number, shards = read_shard(shard)
    kept = ParameterSpace.load(space)
    base = load_base_model(settings.base_model, device=device)
    model = with_mlm_head(base, settings.base_model, mlm_head)
    capture = Capture(model, kept)
    table = read_table(examples)
    rows = {split: split_rows(settings, model, capture, table, split, eval_batch_size) for split in SPLITS}
    by_base = capture if model is base else Capture(base, kept)
    rows["neutral"] = neutral_rows(settings, base, by_base, read_table(neutral), eval_batch_size)
    needed = sum(bytes_needed(len(own.table), 1 if split == "neutral" else 2, kept) for split, own in rows.items())
    require_free_space(out, needed - bytes_of_others(out, number))
    for own in rows.values():
        own.check()
    counts = {split: write_store(out / split, split, own, number, shards) for split, own in rows.items()}
    if number == 0:
        record_shards(out, shards, made_from)
    own_share = f"shard {number} of {shards} of the " if shards > 1 else ""
    found = ", ".join(f"{count} {split}" for split, count in counts.items())
    size = f"{needed / 2**20:.0f} MiB" + (" in all" if shards > 1 else "")
    return f"cache_gradients: {own_share}rows of {kept.input_dim} entries: {found} ({size}){_dropped(rows)}"


def write_store(folder: Path, split: str, rows: LiveRows, shard: int = 0, shards: int = 1) -> int:
    """Write one shard of a split, and with the first the table of all rows; how many rows the shard has."""
    names = ("factual",) if split == "neutral" else ("factual", "alternative")
    chunks = rows.by_length()
    table = in_shards(rows.table, chunks, shards)
    count, positions = int((table["shard"] == shard).sum()), table["position"].to_numpy()
    with (
        writing_shard(folder / f"shard-{shard}.safetensors", count, names, rows.space) as writer,
        tqdm(total=count, desc=f"{split} rows", unit="row", mininterval=5) as bar,
    ):
        for chunk in chunks_of(chunks, shard, shards):
            done = 0
            for gradients in rows.blocks(chunk):
                for name, block in zip(names, gradients, strict=False):
                    for offset, row in enumerate(block):
                        writer.write(name, int(positions[chunk[done + offset]]), row)
                done += len(gradients[0])
                bar.update(len(gradients[0]))
    if shard == 0:
        write_table(folder / "rows.parquet", table[list(ROW_COLUMNS)])
    return count


def _dropped(rows: dict[str, LiveRows]) -> str:
    """How many texts were left out, by split."""
    counts = ", ".join(f"{own.dropped} {split}" for split, own in rows.items() if own.dropped)
    return f"; dropped, too long or without a token before the slot: {counts}" if counts else ""


if __name__ == "__main__":
    sys.exit(main(run))
