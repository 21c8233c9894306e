"""Draws splits where the data has none: 80/10/10 within each class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gradiend.errors import GradiendError
from gradiend.examples.randomness import generator
from gradiend.examples.splits import SAME, SPLITS, missing_transitions
from gradiend.examples.tables import TEXT

_LINKED = (
    "data.split_by: target: the alternatives link too many surface forms to hold them out too: "
    "only the factual forms of a split are not in the others"
)


def draw_splits(
    examples: pd.DataFrame, split_by: str, target_classes: Sequence[str], seed: int
) -> "tuple[pd.Series[str], list[str]]":
    """A split for each example, from the seed, and warnings.

    By "row", copies of an example stay together. By "target", no surface form (upper case or not) is in two
    splits, be it factual or alternative; where no such splits have both transitions, no factual one is, with a
    warning; where there are none of these either, `GradiendError`.
    """
    if split_by == "row":
        return _drawn(examples, examples.groupby(SAME, sort=False).ngroup().to_numpy(), seed), []
    for columns, warnings in ((["factual", "alternative"], []), (["factual"], [_LINKED])):
        splits = _drawn(examples, _words(examples, columns), seed)
        if not missing_transitions(examples.assign(split=splits), target_classes):
            return splits, warnings
    counts = examples.groupby("factual_class")["factual"].nunique()
    forms = ", ".join(f"'{name}' has {counts.get(name, 0)}" for name in target_classes)
    raise GradiendError(
        f"data.split_by: target: each target class needs at least three surface forms, one for each split ({forms}): "
        "use split_by: row, or give a split column"
    )


def _drawn(examples: pd.DataFrame, units: np.ndarray, seed: int) -> "pd.Series[str]":
    """A split for each example; `units` `[rows]` numbers those that stay together, from 0 without gaps."""
    random = generator(seed, "splits")
    sizes = np.bincount(units)
    drawn = np.zeros(len(sizes), dtype=int)
    for members in _strata(units, examples["factual_class"]):
        drawn[members] = _tenths(sizes[members], random)
    return pd.Series(np.array(SPLITS)[drawn[units]], index=examples.index, dtype=TEXT)


def _strata(units: np.ndarray, classes: "pd.Series[str]") -> list[np.ndarray]:
    """The units of the same classes, told by the first and the last of them."""
    codes = pd.Series(pd.factorize(classes, sort=True)[0])
    ends = codes.groupby(units).agg(["min", "max"])
    strata = ends.groupby(["min", "max"]).ngroup().to_numpy()
    return [np.flatnonzero(strata == number) for number in np.unique(strata)]


def _tenths(sizes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """`[units]`: 1 (validation) for about a tenth of the total size, 2 (test) for another, else 0 (train).

    Units above a tenth go to train; if a split would stay empty, it gets one of the smallest units.
    """
    order = random.permutation(len(sizes))
    small = order[10 * sizes[order] <= sizes.sum()]
    tenths = 10 * np.cumsum(sizes[small])
    drawn = np.zeros(len(sizes), dtype=int)
    drawn[small[tenths <= 2 * sizes.sum()]] = 1
    drawn[small[tenths <= sizes.sum()]] = 2
    if len(sizes) >= 3 and len(set(drawn.tolist())) < 3:
        smallest = order[np.argsort(sizes[order], kind="stable")]
        drawn = np.zeros(len(sizes), dtype=int)
        drawn[smallest[:2]] = 2, 1
    return drawn


def _words(examples: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """`[rows]`: the number of the group that the example's surface forms belong to.

    The forms in `columns` of one example are in one group, whatever their case.
    """
    codes, forms = pd.factorize(pd.concat([examples[column] for column in columns]))
    folded, words = pd.factorize(np.array([str(form).casefold() for form in forms], dtype=object))
    ends = folded[codes].reshape(len(columns), -1)  # [columns, rows]
    links = np.unique(ends[0] * len(words) + ends[-1])
    groups = _linked(len(words), np.stack(np.divmod(links, len(words)), axis=1))
    return np.unique(groups[ends[0]], return_inverse=True)[1]


def _linked(size: int, links: np.ndarray) -> np.ndarray:
    """`[size]`: a number for each connected group, for links `[n, 2]` between 0 ... size - 1."""
    parent = list(range(size))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in links.tolist():
        parent[root(left)] = root(right)
    return np.array([root(node) for node in range(size)])
