"""Small stores of rows, and GRADIENDs over them, for the tests of the encoder evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradiend.gradients.rows import StoredRows, label_of, source_of
from gradiend.gradients.shard_file import ShardFile
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.space import ParameterSpace

CLASSES = ("female", "male")
SOURCES = ("factual", "alternative", "diff")
SCORES = {"correlation", "correlation_interval", "p_value", "balanced_accuracy", "baselines"}
KEYS = SCORES | {"reason", "n", "classes"}


def whole_space(embeddings: list[str] | None = None) -> ParameterSpace:
    """34 entries of three parameters."""
    shapes = {"embed.weight": (5, 2), "layer.weight": (4, 5), "layer.bias": (4,)}
    return ParameterSpace.of({n: torch.empty(s) for n, s in shapes.items()}, {"embeddings": embeddings})


def model_over(space: ParameterSpace, **config: Any) -> GradiendModel:
    """An untrained GRADIEND, always with the same weights."""
    return GradiendModel(space, GradiendConfig(CLASSES, **config)).initialise(1)


def write_store(folder: Path, space: ParameterSpace, classes: Sequence[tuple[str, str]], seed: int = 0) -> StoredRows:
    """Random rows of the split that the folder names, shifted by their class, in two shards; ids count from 100."""
    generator = torch.Generator().manual_seed(seed)
    numbers = np.arange(len(classes))
    speaks = torch.randn(2, space.input_dim, generator=generator)
    names = ("factual", "alternative") if ("neutral", "neutral") not in classes else ("factual",)
    columns: dict[str, Any] = {"shard": numbers % 2, "position": numbers // 2}
    columns |= {"example_ids": [[100 + i] for i in numbers]}
    columns |= {"factual_class": [f for f, _ in classes], "alternative_class": [a for _, a in classes]}
    table = pd.DataFrame(columns)
    for shard in (0, 1):
        label = label_of(folder.name, table[table["shard"] == shard])
        path = folder / f"shard-{shard}.safetensors"
        with ShardFile(path, len(classes[shard::2]), names, space, label) as writer:
            for i in range(shard, len(classes), 2):
                for name, own in zip(names, classes[i], strict=False):
                    row = torch.randn(space.input_dim, generator=generator)
                    if own in CLASSES:
                        row += speaks[CLASSES.index(own)]
                    writer.write(name, i // 2, row)
    table.to_parquet(folder / "rows.parquet")
    return StoredRows(folder, space, folder.name)


def both_ways(each: int, identity: int = 0) -> list[tuple[str, str]]:
    """Factual and alternative class of `each` rows of both transitions, and of some identity rows."""
    return [CLASSES, CLASSES[::-1]] * each + [("other", "other")] * identity


def sources(rows: StoredRows, source: str) -> Tensor:
    """The source gradients of all rows, one at a time, `[rows, input_dim]`."""
    return torch.stack([source_of(*rows.pair(i), source) for i in range(len(rows.table))])


def signs(rows: StoredRows, source: str) -> np.ndarray:
    """The labels, row by row."""
    column = rows.table["alternative_class" if source == "alternative" else "factual_class"]
    return np.array([{"female": 1.0, "male": -1.0, "other": 0.0}[name] for name in column])
