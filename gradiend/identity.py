"""What a job is known by, so that a rerun takes up its unfinished work and no other's."""

from collections.abc import Sequence
from pathlib import Path

import torch

from gradiend.code import code_digest
from gradiend.files import digest_bytes
from gradiend.model_files import model_files
from gradiend.settings import CacheGradients, Train, TrainControl, TuneLearningRate, canonical


def identity(stage: str, settings: str, *others: str, read: Sequence[Path], large: Sequence[Path] = ()) -> str:
    """A digest of all that determines a job's result: code, settings, versions, inputs, and what else is named.

    Files count by content, `large` ones, many GB, by size and time.
    """
    states = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in large]
    texts = [stage, code_digest(stage), settings, torch.__version__, *others, *states]
    return digest_bytes(*(text.encode() for text in texts), *(path.read_bytes() for path in read))


def training_identity(
    stage: str,
    settings: Train | TrainControl | TuneLearningRate,
    *others: str,
    read: Sequence[Path] = (),
    stores: Sequence[Path] = (),
    live: CacheGradients | None = None,
) -> str:
    """That of a training: settings, files `read`, row stores or the base model of live rows, and `others`."""
    large = [shard for store in stores for shard in sorted(store.parent.glob("shard-*.safetensors"))]
    if live is not None:
        large += model_files(live.base_model.name, live.base_model.revision)
    return identity(stage, canonical(settings), *others, read=[*read, *stores], large=large)
