"""The weights of a GRADIEND by the parameters of the base model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import Tensor

from gradiend.space import ParameterSpace


def weights_of(part: str, tensors: Mapping[str, Tensor], latent: int | None) -> np.ndarray:
    """The weights `[input_dim]` float64 of the "encoder" or the "decoder" at a latent, or summed over all (None)."""
    own = tensors[f"{part}.weight"].double()
    rows = own if part == "encoder" else own.T  # [latent_dim, input_dim]
    return (rows.sum(0) if latent is None else rows[latent]).numpy()


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
