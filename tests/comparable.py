"""GRADIENDs on one made-up base model that keep different entries, for the tests of comparisons."""

import math
from typing import Any

import torch

from gradiend.model import GradiendConfig, GradiendModel
from gradiend.space import ParameterSpace

SHAPES = {
    "bert.embeddings.word_embeddings.weight": (7, 3),
    "bert.encoder.layer.0.query.weight": (4, 4),
    "bert.encoder.layer.0.query.bias": (4,),
    "bert.encoder.layer.1.query.weight": (4, 4),
    "bert.encoder.layer.1.query.bias": (4,),
}


def kept_space(indices: dict[str, list[int]], names: list[str] | None = None, base_model: str = "b") -> ParameterSpace:
    """Flat indices by parameter; `names` are the selected parameters, by default all of them."""
    shapes = {name: SHAPES[name] for name in names or SHAPES}
    kept = {
        name: None if len(own := indices.get(name, [])) == math.prod(shape) else torch.tensor(own, dtype=torch.int64)
        for name, shape in shapes.items()
    }
    return ParameterSpace(shapes, kept, {"base_model": base_model, "revision": None, "base_model_digest": "d"})


def gradiend(
    seed: int, size: int = 20, base_model: str = "b", names: list[str] | None = None, **config: Any
) -> GradiendModel:
    """Random weights over random kept entries."""
    generator = torch.Generator().manual_seed(seed)
    whole = ParameterSpace.of({name: torch.empty(SHAPES[name]) for name in names or SHAPES})
    chosen = torch.randperm(whole.input_dim, generator=generator)[:size].sort().values
    about = {"base_model": base_model, "revision": None, "base_model_digest": "d"}
    space = ParameterSpace(whole.shapes, whole.select(chosen).kept, about)
    defaults: dict[str, Any] = {"normalized": True, "correlation": 0.9}
    return GradiendModel(space, GradiendConfig(("a", "b"), **(defaults | config))).initialise(seed)


def entries(model: GradiendModel) -> list[tuple[str, int]]:
    """(parameter, flat index) of every kept entry, in the order of a vector."""
    return [(name, int(i)) for name in model.space.shapes for i in model.space.indices(name)]
