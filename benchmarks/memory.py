"""Peak memory of the gradient stage, the time to open a store, and what a job costs before it starts.

    python benchmarks/memory.py [--size BERT-base] [--kept 0.01] [--examples 8] [--tokens 24] [--store-gb 10]

Memory is what is resident above that after the imports, in a process of its own: the model loaded from its folder, then
the rows of a batch. It is compared with weights + activations (all that plain autograd saves) + rows of the batch.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from subjects import SIZES, base_model, pairs, space
from timing import heading, line

from gradiend.backbones.loading import load_base_model
from gradiend.backbones.slots import losses
from gradiend.gradients.capture import Capture
from gradiend.gradients.live import batch_table
from gradiend.gradients.rows import StoredRows, label_of
from gradiend.gradients.shard_file import ShardFile
from gradiend.settings import BaseModel
from gradiend.space import ParameterSpace

MB = 2**20
STAGES = (
    "train",
    "evaluate_encoder",
    "select_seed",
    "post_prune",
    "evaluate_test",
    "cache_gradients",
    "evaluate_decoder",
)


def main() -> None:
    """Three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="BERT-base")
    parser.add_argument("--kept", type=float, default=0.01)
    parser.add_argument("--examples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--store-gb", type=float, default=10)
    parser.add_argument("--child", type=Path, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    if given.child is not None:
        print(json.dumps(peak(given.child, given.examples, given.tokens)))
        return
    with tempfile.TemporaryDirectory() as folder:
        gradients(Path(folder), given)
        opening(Path(folder), given.store_gb)
    start_up()


def gradients(folder: Path, given: argparse.Namespace) -> None:
    """Peak memory of rows of one batch, in a process of its own."""
    base = base_model(given.size)
    base.save_pretrained(folder / "model")
    kept = space(base, given.kept)
    kept.save(folder / "space.safetensors")
    weights = sum(tensor.numel() * 4 for tensor in base.model.parameters()) / MB
    activations = saved(base, pairs(base, given.examples, given.tokens)) / MB
    rows = 2 * 4 * given.examples * kept.input_dim / MB
    words = [sys.executable, __file__, "--child", str(folder), "--size", given.size]
    words += ["--examples", str(given.examples), "--tokens", str(given.tokens)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    needed = weights + activations + rows
    heading("size", "kept", "weights", "activations", "rows (MiB)", "after loading", "peak (MiB)", "peak / needed")
    line([given.size, given.kept, weights, activations, rows, found["loaded"], found["peak"], found["peak"] / needed])


def saved(base, examples) -> int:
    """Bytes that one forward pass keeps for a backward pass to all parameters: each storage once, without these."""
    own = {p.untyped_storage().data_ptr() for p in base.model.parameters()}
    sizes: dict[int, int] = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    batch = base.batch([pair.factual for pair in examples])
    base.model.requires_grad_(True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = losses(base.logits(batch), batch).sum()
    del loss
    base.model.requires_grad_(False)
    return sum(sizes.values())


def peak(folder: Path, count: int, tokens: int) -> dict[str, float]:
    """Resident memory in MiB, above that after the imports: after loading, and the largest until the rows are there."""
    before = resident()
    base = load_base_model(BaseModel(str(folder / "model"), None, False, "float32", "auto", "[MASK]", "error", ""))
    loaded = resident() - before
    examples = pairs(base, count, tokens)
    capture = Capture(base, ParameterSpace.load(folder / "space.safetensors"))
    capture.example_rows(examples)
    return {"loaded": loaded, "peak": high_water() - before}


def resident() -> float:
    """MiB of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MB


def high_water() -> float:
    """MiB of this process that were in memory at its peak; rusage also counts what its parent held at the fork."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def opening(folder: Path, size: float) -> None:
    """Open a store whose file has holes instead of data: opening must not read it."""
    import pandas as pd

    kept = ParameterSpace.of({"w": torch.empty(1_000_000, device="meta")})
    count = round(size * 2**30 / (2 * 4 * kept.input_dim))
    names = ["a", "b"] * count
    examples = pd.DataFrame({"id": range(count), "batch": range(count)})
    examples = examples.assign(factual_class=names[:count], alternative_class=names[1 : count + 1])
    table, names = batch_table(examples), ("factual", "alternative")
    with ShardFile(folder / "store" / "shard-0.safetensors", count, names, kept, label_of("train", table)):
        pass
    table.to_parquet(folder / "store" / "rows.parquet")
    StoredRows(folder / "store", kept, "train")  # the imports that reading a table brings
    before, start = resident(), time.perf_counter()
    StoredRows(folder / "store", kept, "train")
    seconds = time.perf_counter() - start
    heading("store (GiB)", "rows", "opened in (ms)", "memory grows by (MiB)")
    line([size, count, seconds * 1e3, resident() - before])


def start_up() -> None:
    """CPU seconds of a stage that prints its options: Python, imports, and nothing else."""
    heading("job", "CPU before it starts (s)")
    for stage in STAGES:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", f"gradiend.stages.{stage}", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        line([stage, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime])


if __name__ == "__main__":
    main()
