"""Base model, examples and kept space -> stored gradient rows of all splits."""

import sys
from pathlib import Path

from tqdm import tqdm

from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.devices import AUTO
from gradiend.gradients.capture import Capture
from gradiend.gradients.live import LiveRows
from gradiend.gradients.rows import ROW_COLUMNS, bytes_needed, require_free_space, writing_shard
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
    out: Path,
) -> str:
    """Write the store of every split under `out`; its size is compared with the free disk space first."""
    kept = ParameterSpace.load(space)
    base = load_base_model(settings.base_model, device=device)
    model = with_mlm_head(base, settings.base_model, mlm_head)
    capture = Capture(model, kept)
    table = read_table(examples)
    rows = {split: split_rows(settings, model, capture, table, split, eval_batch_size) for split in SPLITS}
    by_base = capture if model is base else Capture(base, kept)
    rows["neutral"] = neutral_rows(settings, base, by_base, read_table(neutral), eval_batch_size)
    needed = sum(bytes_needed(len(own.table), 1 if split == "neutral" else 2, kept) for split, own in rows.items())
    require_free_space(out, needed)
    for split, own in rows.items():
        _write(out / split, split, own)
    counts = ", ".join(f"{len(own.table)} {split}" for split, own in rows.items())
    return f"cache_gradients: rows of {kept.input_dim} entries: {counts} ({needed / 2**20:.0f} MiB){_dropped(rows)}"


def _write(folder: Path, split: str, rows: LiveRows) -> None:
    names = ("factual",) if split == "neutral" else ("factual", "alternative")
    count = len(rows.table)
    with (
        writing_shard(folder / "shard-0.safetensors", count, names, rows.space) as writer,
        tqdm(total=count, desc=f"{split} rows", unit="row", mininterval=5) as bar,
    ):
        for chunk in rows.by_length():
            done = 0
            for gradients in rows.blocks(chunk):
                for name, block in zip(names, gradients, strict=False):
                    for offset, row in enumerate(block):
                        writer.write(name, chunk[done + offset], row)
                done += len(gradients[0])
                bar.update(len(gradients[0]))
    write_table(folder / "rows.parquet", rows.table[list(ROW_COLUMNS)])


def _dropped(rows: dict[str, LiveRows]) -> str:
    """How many texts were left out, by split."""
    counts = ", ".join(f"{own.dropped} {split}" for split, own in rows.items() if own.dropped)
    return f"; dropped, too long or without a token before the slot: {counts}" if counts else ""


if __name__ == "__main__":
    sys.exit(main(run))
