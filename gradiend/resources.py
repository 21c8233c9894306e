"""How much memory and time a job may need, from the size of its base model, before anything is computed.

Estimates for schedulers: generous, never part of a result, and raised by every retry. Measured values behind the
constants are in docs/performance.md and docs/cluster.md.
"""

import json
import math
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradiend.devices import AUTO
from gradiend.errors import GradiendError
from gradiend.experiment import DEFAULT_LEARNING_RATES, ExperimentConfig
from gradiend.model_files import DEMO_MODELS, model_files

ASSUMED_PARAMETERS = 350_000_000  # of a model that nobody has downloaded yet
DEMO_PARAMETERS = 700_000
ASSUMED_DATA = 20_000_000  # bytes, likewise
ITEM_SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}
MB = 10**6
PROCESS = 900  # MB: python, torch, transformers
BLOCKS = 512  # MB: blocks of rows, tokenised texts
MAPPED = 1500  # MB: stored rows that the system keeps in memory for a job that reads them
TOKENS = 64  # of a text
ACTIVATIONS = 64 * 9216  # bytes a token that BERT-base (110 million parameters) keeps for the backward pass
SPEED = 2e10  # floating point operations a second, a tenth of what one core of docs/performance.md reaches
MINUTES = 15  # what every job may take, a full file system and a slow start included


@dataclass(frozen=True)
class Needs:
    """Memory in MB and time in minutes."""

    mem_mb: int
    runtime: int

    def at_attempt(self, attempt: int) -> "Needs":
        """What to ask for when a job is tried for the n-th time, from 1."""
        return Needs(self.mem_mb * attempt, self.runtime * attempt)


@dataclass(frozen=True)
class Size:
    """What needs are computed from: parameters of the base model, kept entries, tokens of all texts."""

    parameters: int
    kept: int
    tokens: int


def size_of(config: ExperimentConfig, data: Sequence[Path] = ()) -> Size:
    """The size of a run, as far as it is known; `data` are its data files that are there."""
    parameters = parameters_of(config.model.name, config.model.revision)
    known = sum(path.stat().st_size for path in data) if data else ASSUMED_DATA
    return Size(parameters, kept_entries(config, parameters), known // 4)


def kept_entries(config: ExperimentConfig, parameters: int) -> int:
    """Entries that pre-pruning keeps of so many; an upper bound where a threshold or `params` decides."""
    prune = config.training_arguments.pre_prune_config
    topk = None if prune is None else prune.topk
    if topk is None:
        return parameters
    return min(topk, parameters) if isinstance(topk, int) else max(1, round(topk * parameters))


def parameters_of(name: str, revision: str | None = None) -> int:
    """Parameters of a base model by the headers of its weight files, assumed where there are none yet."""
    if name in DEMO_MODELS:
        return DEMO_PARAMETERS
    folder = _folder(name, revision)
    files = sorted(folder.glob("*.safetensors")) if folder else []
    return sum(_entries(path) for path in files) or ASSUMED_PARAMETERS


def _folder(name: str, revision: str | None) -> Path | None:
    """The model's local folder, or its snapshot in the cache of the Hugging Face hub."""
    if model_files(name, revision):
        return Path(name)
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    repository = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{name.replace('/', '--')}"
    reference = repository / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision or ""
    snapshot = repository / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() else None


def _entries(path: Path) -> int:
    """Entries of all tensors of a safetensors file; of a file that is none, 0: whoever loads it says so."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length)) if length < 100 * MB else {}
    except (OSError, ValueError, struct.error):
        return 0
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def needs(stage: str, config: ExperimentConfig, size: Size) -> Needs:
    """What one job of a stage may need. Raises `GradiendError` for a stage that has no estimate."""
    if stage not in STAGES:
        raise GradiendError(f"no estimate for stage '{stage}': use one of {', '.join(STAGES)}")
    memory, operations = STAGES[stage](config, size)
    return Needs(PROCESS + math.ceil(memory / MB), MINUTES + math.ceil(operations / SPEED / 60))


Estimate = tuple[float, float]  # bytes, floating point operations


def _weights(config: ExperimentConfig, size: Size) -> float:
    """Loading holds the file's tensors beside the model's."""
    return float(2 * ITEM_SIZES[config.training_arguments.torch_dtype] * size.parameters)


def _activations(config: ExperimentConfig, size: Size) -> float:
    """Layers x width grow with the power 2/3 of the parameters."""
    scale = (size.parameters / 110e6) ** (2 / 3)
    batch: float = config.training_arguments.eval_batch_size * TOKENS * ACTIVATIONS * scale
    return BLOCKS * MB + batch


def _importance(config: ExperimentConfig, size: Size) -> Estimate:
    prune = config.training_arguments.pre_prune_config
    samples = 0 if prune is None else prune.n_samples
    own = 3 * 4 * size.parameters  # gradient, sum, and the file's copy
    return _weights(config, size) + own + _activations(config, size), 10.0 * size.parameters * samples * TOKENS


def _mlm_head(config: ExperimentConfig, size: Size) -> Estimate:
    """A forward pass over all texts."""
    return _weights(config, size) + _activations(config, size), 4.0 * size.parameters * size.tokens


def _pre_prune(config: ExperimentConfig, size: Size) -> Estimate:
    return _weights(config, size) + (4 + 4 + 8 + 8) * size.parameters, 1e3 * size.parameters


def _gradients(config: ExperimentConfig, size: Size) -> Estimate:
    rows = 4 * 4 * config.training_arguments.eval_batch_size * size.kept + 16 * size.kept
    memory = _weights(config, size) + rows + _activations(config, size)
    return memory, 10.0 * size.parameters * size.tokens / config.shards


def _gradiend(config: ExperimentConfig, size: Size) -> Estimate:
    """A GRADIEND, its gradients and Adam's two moments; rows that are not stored come from the base model."""
    latent = config.training_arguments.latent_dim
    own = 4 * 4 * (2 * latent + 1) * size.kept + 16 * size.kept + MAPPED * MB
    rows = (0.0, 0.0) if config.training_arguments.use_cached_gradients else _gradients(config, size)
    epochs = max(1, config.training_arguments.num_train_epochs)
    return own + rows[0], 1e3 * epochs * size.kept + epochs * rows[1]


def _search(config: ExperimentConfig, size: Size) -> Estimate:
    """As many trainings as there are rates and seeds, one after the other."""
    memory, operations = _gradiend(config, size)
    seeds = config.tuning.max_seeds or config.training_arguments.max_seeds
    return memory, operations * len(config.tuning.factors) * seeds


def _control(config: ExperimentConfig, size: Size) -> Estimate:
    """Training rows of its own, and a training."""
    if config.control.seeds is None:
        return 0.0, 0.0
    (of_rows, computing), (of_training, training) = _gradients(config, size), _gradiend(config, size)
    return of_rows + of_training, computing * config.shards + training


def _decoder(config: ExperimentConfig, size: Size) -> Estimate:
    rates = len(config.decoder.learning_rates or DEFAULT_LEARNING_RATES)
    candidates = 2 * 2 * (rates + 5) * len(config.decoder.directions)  # the baseline's too
    memory = _weights(config, size) + 2 * _activations(config, size) + 32 * size.kept
    return memory, 2.0 * size.parameters * candidates * 20_000


def _candidates(config: ExperimentConfig, size: Size) -> Estimate:
    """A share of them."""
    memory, operations = _decoder(config, size)
    return memory, operations / config.decoder.shards


def _rewrite(config: ExperimentConfig, size: Size) -> Estimate:
    return 2 * _weights(config, size) + 32 * size.kept, 1e3 * size.parameters


STAGES = {
    "train_mlm_head": _mlm_head,
    "cache_importance": _importance,
    "pre_prune": _pre_prune,
    "cache_gradients": _gradients,
    "tune_learning_rate": _search,
    "train": _gradiend,
    "evaluate_encoder": _gradiend,
    "select_seed": _gradiend,
    "post_prune": _gradiend,
    "evaluate_test": _gradiend,
    "train_control": _control,
    "cross_encode": _gradients,
    "measure_candidates": _candidates,
    "evaluate_decoder": _decoder,
    "rewrite_model": _rewrite,
}

ONLY_BASE_MODEL = {
    "train_mlm_head",
    "cache_importance",
    "cache_gradients",
    "cross_encode",
    "measure_candidates",
    "evaluate_decoder",
}


def devices_of(stage: str, config: ExperimentConfig) -> list[str]:
    """The device settings that a stage heeds: those of the base model, and in training those of the GRADIEND."""
    arguments = config.training_arguments
    spread = f"map:{config.model.device_map}" if config.model.device_map else None
    base = spread or arguments.device_base_model or arguments.device or AUTO
    if stage in ONLY_BASE_MODEL:
        return [base]
    live = [] if arguments.use_cached_gradients and stage != "train_control" else [base]
    if stage not in ("train", "tune_learning_rate", "train_control"):
        return live
    own = [one or arguments.device or AUTO for one in (arguments.device_encoder, arguments.device_decoder)]
    return [*own, *live]
