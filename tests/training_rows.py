"""Small stores of rows whose classes can be told apart, and settings to train on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gradiend.config import parse_config
from gradiend.gradients.rows import StoredRows, label_of
from gradiend.gradients.shard_file import ShardFile
from gradiend.resolution import stage_settings
from gradiend.settings import Train
from gradiend.space import ParameterSpace

FIRST, SECOND = "female", "male"
BOTH_WAYS = ((FIRST, SECOND), (SECOND, FIRST))


def train_settings(**arguments: Any) -> Train:
    """The settings of the train stage for these training arguments; a fast training where nothing else is said."""
    defaults = {"learning_rate": 1e-2, "num_train_epochs": 4, "eval_steps": 10, "use_cached_gradients": True}
    config = {
        "experiment_dir": "unused",
        "model": "unused",
        "data": {"source": "unused"},
        "target_classes": [FIRST, SECOND],
        "training_arguments": defaults | arguments,
    }
    settings = stage_settings("train", parse_config(config, "test"))
    assert isinstance(settings, Train)
    return settings


def small_space() -> ParameterSpace:
    """24 entries of two parameters."""
    return ParameterSpace.of({"a.weight": torch.empty(5, 4), "a.bias": torch.empty(4)}, {"base_model": "tiny"})


def transitions(forth: int, back: int, **identity: int) -> list[tuple[str, str]]:
    """Factual and alternative classes of some rows of both transitions, and of identity rows by class."""
    both = [BOTH_WAYS[0]] * forth + [BOTH_WAYS[1]] * back
    return both + [(name, name) for name, count in identity.items() for _ in range(count)]


def table(classes: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """The table of a store of one shard."""
    numbers = np.arange(len(classes))
    columns: dict[str, Any] = {"shard": 0 * numbers, "position": numbers, "example_ids": [[i] for i in numbers]}
    columns |= {"factual_class": [f for f, _ in classes], "alternative_class": [a for _, a in classes]}
    return pd.DataFrame(columns)


def store(
    folder: Path, classes: Sequence[tuple[str, str]], *, seed: int = 0, scale: float = 1.0, noise: float = 0.3
) -> StoredRows:
    """A store in the small space, of the split that its folder names.

    Each class has its own direction, the same in every store, and noise is added.
    """
    space, generator = small_space(), torch.Generator().manual_seed(seed)
    names = sorted({name for pair in classes for name in pair} | {FIRST, SECOND})
    own = {
        name: torch.randn(space.input_dim, generator=torch.Generator().manual_seed(sum(name.encode())))
        for name in names
    }
    label, both = label_of(folder.name, table(classes)), ("factual", "alternative")
    with ShardFile(folder / "shard-0.safetensors", len(classes), both, space, label) as writer:
        for row, pair in enumerate(classes):
            for which, name in zip(both, pair, strict=True):
                noisy = own[name] + noise * torch.randn(space.input_dim, generator=generator)
                writer.write(which, row, scale * noisy)
    table(classes).to_parquet(folder / "rows.parquet")
    return StoredRows(folder, space, folder.name)
