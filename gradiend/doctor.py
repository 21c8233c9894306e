"""`gradiend doctor CONFIG`: what an experiment needs and what the machine has, before anything long starts."""

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import Tensor

from gradiend import __version__
from gradiend.backbones.loading import load_base_model
from gradiend.config import load_runs, nearest_folder, require_writable
from gradiend.config_files import read_config_file
from gradiend.devices import SPREAD, memory_hint
from gradiend.errors import GradiendError
from gradiend.examples.preparation import prepare
from gradiend.experiment import DEFAULT_LEARNING_RATES, ExperimentConfig
from gradiend.files import shown_bytes
from gradiend.gradients.capture import Capture
from gradiend.gradients.live import LiveRows
from gradiend.gradients.rows import bytes_needed
from gradiend.model_files import DEMO_MODELS
from gradiend.report.numbers import duration
from gradiend.resolution import stage_settings
from gradiend.resources import STAGES, Size, kept_entries, needs
from gradiend.sharing import stages_of
from gradiend.space import ParameterSpace, select_parameters
from gradiend.stages.live import neutral_rows, split_rows

ROWS = 8
MOST_ENTRIES = 10_000_000  # of the eight rows: as many as are kept, but no more
AGREE = {"float32": 1e-3, "bfloat16": 0.2, "float16": 0.05}  # relative error of a row, at most
SPLITS = ("train", "validation", "test")
GIB = 2**30


@dataclass(frozen=True)
class Found:
    """What eight rows of a run tell: how far batches of 1 and of 8 differ, seconds a row, and what will be stored."""

    parameters: int
    kept: int
    rows: dict[str, int]
    examples: int
    error: float
    seconds: float
    stored: int

    @property
    def size(self) -> Size:
        """What the needs of jobs are computed from."""
        return Size(self.parameters, self.kept, 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings; exit code 1 where the experiment would fail."""
    parser = argparse.ArgumentParser(prog="gradiend doctor", description=__doc__)
    parser.add_argument("config", type=Path, help="the config file of the experiment")
    config = parser.parse_args(arguments).config
    try:
        problems = list(examine(config))
    except GradiendError as error:
        problems = [str(error)]
    except RuntimeError as error:
        if (hint := memory_hint(error)) is None:
            raise
        problems = [hint]
    for problem in problems:
        print("error: " + " ".join(problem.splitlines()), file=sys.stderr)
    print("this experiment would fail" if problems else "nothing stands in the way")
    return 1 if problems else 0


def examine(config: Path) -> Iterator[str]:
    """Print what is found out about the experiment and yield what is wrong. Raises `GradiendError` where all is."""
    runs = load_runs(read_config_file(config), config.name)
    require_writable(runs, config.name)
    folder = Path(next(iter(runs.values())).experiment_dir)
    free, memory = shutil.disk_usage(nearest_folder(os.path.abspath(folder))).free, _memory()
    print(_machine(folder, free, memory))
    stored = 0
    for own in _distinct(runs):
        run, count = own[0], len(own)
        names = ", ".join(filter(None, own))
        print(f"runs {names}:" if names else "the run:")
        if "demo" in (runs[run].data.source, runs[run].data.neutral) or runs[run].model.name in DEMO_MODELS:
            print("  its model or data are the demo's, which the pipeline makes first: nothing to load yet")
            continue
        found = _found(runs[run])
        stages = {*stages_of(runs[run]), *(["cross_encode"] if len(runs) > 1 else [])}
        jobs = {stage: needs(stage, runs[run], found.size).mem_mb for stage in STAGES if stage in stages}
        print(_report(runs[run], found, jobs))
        stored += count * found.stored
        yield from _wrong(runs[run], found, jobs, memory)
    print(f"disk: {shown_bytes(stored)} of gradient rows in all, {shown_bytes(free)} free")
    if stored * 1.01 > free:
        yield (
            f"{folder}: the gradient rows need {shown_bytes(stored)} and {shown_bytes(free)} are free: prune more "
            "(pre_prune_config.topk), use fewer params or examples, or set use_cached_gradients: false"
        )


def _distinct(runs: dict[str, ExperimentConfig]) -> list[list[str]]:
    """Run ids, those together whose rows are the same."""
    groups: dict[str, list[str]] = {}
    for run, config in runs.items():
        stages = ("prepare_data", "pre_prune", "cache_gradients")
        key = repr([stage_settings(stage, config) for stage in stages] + [config.training_arguments.params])
        groups.setdefault(key, []).append(run)
    return list(groups.values())


def _machine(folder: Path, free: int, memory: int) -> str:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return (
        f"gradiend {__version__}, python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}\n"
        f"machine: {len(os.sched_getaffinity(0))} cores, {memory / GIB:.1f} GiB of memory, "
        f"{free / GIB:.1f} GiB free for {folder}, GPUs: {', '.join(gpus) or 'none'}"
    )


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _found(config: ExperimentConfig) -> Found:
    """Load data and model, and compute eight rows in batches of 1 and of 8."""
    prepared = prepare(stage_settings("prepare_data", config))
    settings = stage_settings("cache_gradients", config)
    arguments = config.training_arguments
    spread = f"{SPREAD}{config.model.device_map}" if config.model.device_map else None
    base = load_base_model(
        settings.base_model, device=spread or arguments.device_base_model or arguments.device or "auto"
    )
    names = select_parameters(list(base.parameters()), arguments.params)
    whole = ParameterSpace.of({name: base.parameters()[name] for name in names})
    kept = kept_entries(config, whole.input_dim)
    count = min(kept, MOST_ENTRIES)
    capture = Capture(base, whole.select(torch.arange(count) * whole.input_dim // count))
    size = arguments.eval_batch_size
    rows = {split: split_rows(settings, base, capture, prepared.examples, split, size) for split in SPLITS}
    rows["neutral"] = neutral_rows(settings, base, capture, prepared.neutral, size)
    counts = {split: len(own.table) for split, own in rows.items()}
    examples = sum(len(ids) for own in rows.values() for ids in own.table["example_ids"])
    error, seconds = _eight_rows(rows["train"])
    tensors = sum(bytes_needed(n, 1 if split == "neutral" else 2, whole) for split, n in counts.items())
    stored = tensors // whole.input_dim * kept if arguments.use_cached_gradients else 0
    return Found(sum(p.numel() for p in base.model.parameters()), kept, counts, examples, error, seconds, stored)


def _eight_rows(train: LiveRows) -> tuple[float, float]:
    """The largest relative error between batches of 1 and of 8, and the seconds of a row in a batch of 8."""
    train.check()
    single = train.of_examples(ROWS, 1)
    start = time.perf_counter()
    together = train.of_examples(ROWS, ROWS)
    seconds = 2 * (time.perf_counter() - start) / len(together)  # two gradients a row
    return _difference(single, together), seconds


def _difference(one: Tensor, other: Tensor) -> float:
    """Of the norm of the worst row, `[rows, input_dim]`; rows of 0 do not differ."""
    norm = one.norm(dim=-1).clamp(min=torch.finfo(torch.float32).tiny)
    return float(((one - other).norm(dim=-1) / norm).max())


def _report(config: ExperimentConfig, found: Found, jobs: dict[str, int]) -> str:
    """`jobs` has the memory in MB of each stage of the run."""
    counts = ", ".join(f"{count} {split}" for split, count in found.rows.items())
    stage = max(jobs, key=jobs.__getitem__)
    rows, decoder, training = _seconds(config, found)
    dtype = config.training_arguments.torch_dtype
    return (
        f"  model: {config.model.name}, {found.parameters / 1e6:.1f} million parameters, "
        f"{found.kept} entries kept at most\n"
        f"  rows: {counts}, of {found.examples:,} examples\n"
        f"  eight rows in {dtype}, in batches of 1 and of 8: relative error {found.error:.1e}, "
        f"{'they agree' if found.error <= AGREE[dtype] else 'they differ'}\n"
        f"  memory: {jobs[stage] / 1000:.1f} GB for {stage}, the largest job\n"
        f"  disk: {shown_bytes(found.stored)} of gradient rows\n"
        f"  time here, roughly: rows {duration(rows)}, a seed's training {duration(training)}, "
        f"decoder evaluation {duration(decoder)}"
    )


def _seconds(config: ExperimentConfig, found: Found) -> tuple[float, float, float]:
    """Seconds for all rows, for the decoder evaluation, and for a training, from the seconds of a row.

    A row is a forward and two backward passes of about the same cost; 1,000 scored tokens take about 7,000 tokens of
    input; a training step moves each entry about 4 ns (docs/performance.md).
    """
    arguments = config.training_arguments
    rates = len(config.decoder.learning_rates or DEFAULT_LEARNING_RATES)
    candidates = 2 * 2 * rates * len(config.decoder.directions)
    texts = 250 + found.rows["validation"]
    epochs = max(1, arguments.num_train_epochs)
    steps = arguments.max_steps if arguments.max_steps > 0 else epochs * found.rows["train"]
    return found.seconds * found.examples, candidates * texts * found.seconds / 3, steps * found.kept * 4e-9


def _wrong(config: ExperimentConfig, found: Found, jobs: dict[str, int], memory: int) -> Iterator[str]:
    dtype = config.training_arguments.torch_dtype
    if not found.error <= AGREE[dtype]:
        yield (
            f"{config.model.name}: rows in batches of 1 and of 8 differ by {found.error:.1e} in {dtype}, more than "
            f"{AGREE[dtype]:g}: try torch_dtype float32"
        )
    for stage, megabytes in jobs.items():
        asked = megabytes * 10**6
        if asked > memory:
            yield (
                f"{stage} may need {asked / GIB:.1f} GiB of memory and the machine has {memory / GIB:.1f} GiB: lower "
                "eval_batch_size, keep fewer entries (params, pre_prune_config.topk), or use another machine"
            )
            return
