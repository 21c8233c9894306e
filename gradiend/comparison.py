"""Comparison of GRADIENDs on the same base model: what they keep, where they point, and where in the model that lies.

Each is compared in the joint space, the union of the kept entries of all of them; an entry that a GRADIEND does not
keep is 0 in its direction, and in none of its sets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradiend.labels import strengthening_factor
from gradiend.layers import layers_and_components
from gradiend.model import GradiendModel
from gradiend.pruning import kept_positions, weight_importance
from gradiend.space import ParameterSpace, union

Sets = Mapping[str, np.ndarray]
ALONE = "no other run has its base model"
NO_DECODER = "supervised_encoder: the decoder is not trained"


@dataclass(frozen=True)
class Group:
    """Named GRADIENDs on one base model. `space` is the joint space, `k` the number of entries that make a top set."""

    models: Mapping[str, GradiendModel]
    space: ParameterSpace
    k: int

    @classmethod
    def of(cls, models: Mapping[str, GradiendModel], topk: int) -> "Group":
        """`k` is `topk`, or as many entries as the smallest of the GRADIENDs keeps where those are fewer."""
        space = union(model.space for model in models.values())
        return cls(models, space, min([topk, *(model.space.input_dim for model in models.values())]))

    @property
    def entries(self) -> int:
        """Number of entries of the parameters that any of them selects, kept or not."""
        return sum(ParameterSpace(self.space.shapes, dict.fromkeys(self.space.shapes)).sizes.values())

    def kept(self) -> Sets:
        """Name -> positions in the joint space of the entries that the GRADIEND keeps."""
        return {name: model.space.positions_in(self.space).numpy() for name, model in self.models.items()}

    def top(self) -> Sets:
        """Name -> positions in the joint space of the `k` entries with the largest decoder weights (L1 over latents).

        Of equal weights the entry that comes first counts, as in post-pruning.
        """
        result = {}
        for name, where in self.kept().items():
            importance = weight_importance(self.models[name], "decoder-weight")
            result[name] = where[kept_positions(importance, self.k, None).numpy()]
        return result


def grouped(models: Mapping[str, GradiendModel]) -> list[dict[str, GradiendModel]]:
    """The GRADIENDs by base model, in their order; groups of one, too."""
    groups: dict[tuple[str, str, str], dict[str, GradiendModel]] = {}
    for name, model in models.items():
        groups.setdefault(model.space.base_model, {})[name] = model
    return list(groups.values())


def overlaps(sets: Sets, entries: int) -> pd.DataFrame:
    """Every ordered pair of sets: `run, other, size, other_size, common, overlap, jaccard, chance`.

    overlap = common / the smaller size (of top sets: / k), jaccard = common / size of the union; chance is the overlap
    that two random sets of these sizes among the `entries` would have on average.
    """
    lines = []
    for one in sets:
        for other in sets:
            common = len(np.intersect1d(sets[one], sets[other], assume_unique=True))
            sizes = (len(sets[one]), len(sets[other]))
            lines.append((one, other, *sizes, common, common / min(sizes), common / (sum(sizes) - common)))
    table = pd.DataFrame(lines, columns=["run", "other", "size", "other_size", "common", "overlap", "jaccard"])
    return table.assign(chance=table[["size", "other_size"]].max(axis=1) / max(1, entries))


def intersections(sets: Sets) -> pd.DataFrame:
    """Every combination of sets that has an entry in just these sets: `runs` (a list) and `count`, largest first."""
    names = list(sets)
    counts = np.zeros(1 + max((int(own.max()) for own in sets.values() if len(own)), default=0), dtype=object)
    members = np.zeros((len(counts), len(names)), dtype=bool)
    for column, own in enumerate(sets.values()):
        members[own, column] = True
    patterns, counts = np.unique(members[members.any(axis=1)], axis=0, return_counts=True)
    lines = [
        ([name for name, there in zip(names, pattern, strict=True) if there], int(count))
        for pattern, count in zip(patterns, counts, strict=True)
    ]
    ordered = sorted(lines, key=lambda line: (-line[1], len(line[0]), [names.index(name) for name in line[0]]))
    return pd.DataFrame(ordered, columns=["runs", "count"])


def direction(model: GradiendModel) -> Tensor:
    """`[input_dim]`: how the update changes with the feature factor that strengthens the first target class.

    (update(f) - update(-f)) / 2, which for a linear decoder is f times its weights: without the bias, which strengthens
    neither class against the other.
    """
    factor = first_class_factor(model)
    return (model.update(factor) - model.update(-factor)) / 2


def first_class_factor(model: GradiendModel) -> float:
    """The feature factor (+1 or -1) that strengthens the first target class."""
    config = model.config
    return config.sign * strengthening_factor(0, config.source, config.target)


def cosines(group: Group) -> pd.DataFrame:
    """Every ordered pair: `run, other, cosine, cosine_update`, of the `direction`s and of the updates with the bias.

    Both strengthen each run's own first target class. Missing where a direction is 0.
    """
    where = {name: torch.from_numpy(own) for name, own in group.kept().items()}
    tables = {
        "cosine": _products(group, where, direction),
        "cosine_update": _products(group, where, lambda model: model.update(first_class_factor(model))),
    }
    names = list(group.models)
    lines = [
        (one, other, *(table[i, j] for table in tables.values()))
        for i, one in enumerate(names)
        for j, other in enumerate(names)
    ]
    return pd.DataFrame(lines, columns=["run", "other", *tables])


def layer_shares(group: Group) -> pd.DataFrame:
    """The share of the squared decoder weights by parameter: `run, layer, component, parameter, kept, share`.

    `layer` is missing for parameters outside the layers.
    """
    names = list(group.space.shapes)
    places = dict(zip(names, layers_and_components(names), strict=True))
    lines = []
    for run, model in group.models.items():
        squares = model.decoder.weight.detach().double().square().sum(1)
        total = float(squares.sum())
        for name, where in model.space.slices.items():
            layer, component = places[name]
            share = float(squares[where].sum()) / total if total else float("nan")
            lines.append((run, layer, component, name, model.space.sizes[name], share))
    columns = ["run", "layer", "component", "parameter", "kept", "share"]
    return pd.DataFrame(lines, columns=columns).astype({"layer": "Int64"})


def matrix(table: pd.DataFrame, value: str, names: Sequence[str], *, rows: str = "run") -> pd.DataFrame:
    """A long table of pairs as a square one, in the order of `names`."""
    columns = "other" if rows == "run" else "run"
    wide = table.pivot(index=rows, columns=columns, values=value)
    return wide.reindex(index=list(names), columns=list(names)).astype(float)


def _products(group: Group, where: Mapping[str, Tensor], vector: Callable[[GradiendModel], Tensor]) -> np.ndarray:
    """`[n, n]` float64 cosines of the vectors in the joint space; two at a time in memory."""
    vectors = {name: vector(model).double() for name, model in group.models.items()}
    norms = {name: float(own.norm()) for name, own in vectors.items()}
    names = list(group.models)
    result = np.full((len(names), len(names)), np.nan)
    joint = torch.zeros(group.space.input_dim, dtype=torch.float64)
    for i, one in enumerate(names):
        joint.zero_()
        joint[where[one]] = vectors[one]
        for j, other in enumerate(names[i:], start=i):
            if norms[one] and norms[other]:
                product = float(joint[where[other]] @ vectors[other]) / (norms[one] * norms[other])
                result[i, j] = result[j, i] = min(1.0, max(-1.0, product))
    return result


def pairs_in_words(table: pd.DataFrame, value: str) -> dict[str, Any]:
    """Mean, lowest and highest value of the pairs of different runs."""
    own = table[table["run"] < table["other"]][value].dropna()
    if own.empty:
        return {"mean": None, "lowest": None, "highest": None}
    return {"mean": float(own.mean()), "lowest": float(own.min()), "highest": float(own.max())}
