"""The weights of a GRADIEND by the parameters of the base model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gradiend.model import GradiendModel
from gradiend.space import ParameterSpace


def trained_part(model_config: Mapping[str, Any]) -> str:
    """The part of a GRADIEND whose weights say where the feature sits."""
    return "encoder" if model_config["supervised"] == "encoder" else "decoder"


def trained_weights(gradiend: GradiendModel) -> np.ndarray:
    """The weights `[input_dim]` float64 of the trained part at the encoded latent; a supervised decoder's summed."""
    config = gradiend.config
    encoder = trained_part({"supervised": config.supervised}) == "encoder"
    own = gradiend.encoder.weight if encoder else gradiend.decoder.weight.T  # [latent_dim, input_dim]
    rows = own.detach().double()
    weights: np.ndarray = (rows.sum(0) if config.supervised == "decoder" else rows[config.latent]).numpy()
    return weights


def shares_of_norm(space: ParameterSpace, weights: np.ndarray) -> dict[str, float]:
    """Parameter -> its share of the squared norm of `weights`, `[input_dim]`; empty where all are 0."""
    squares = weights**2
    total = float(squares.sum())
    return {name: float(squares[where].sum()) / total for name, where in space.slices.items()} if total else {}


def largest(space: ParameterSpace, weights: np.ndarray, count: int) -> pd.DataFrame:
    """`parameter, index, weight` of the entries with the largest |weight|; the index is that in the parameter."""
    positions = np.argsort(-np.abs(weights), kind="stable")[:count]
    names, slices = list(space.slices), list(space.slices.values())
    ends = np.array([where.stop for where in slices])
    rows = []
    for position in positions.tolist():
        place = int(np.searchsorted(ends, position, side="right"))
        flat = int(space.indices(names[place])[position - slices[place].start])
        index = np.unravel_index(flat, space.shapes[names[place]])
        rows.append((names[place], ", ".join(str(int(i)) for i in index), float(weights[position])))
    return pd.DataFrame(rows, columns=["parameter", "index", "weight"])
