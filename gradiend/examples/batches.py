"""Batches: every training example in exactly one, of one transition."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gradiend.examples.randomness import generator


def batches(train: pd.DataFrame, batch_size: int, target_classes: Sequence[str], seed: int) -> "pd.Series[int]":
    """The batch of each training example, Int64 from 0 without gaps; which examples go together is drawn.

    First the batches of the first target class, then the second's, then the identity classes', by name.
    Only the last batch of a transition can be short.
    """
    classes = train["factual_class"]
    others = sorted(set(classes.unique()) - set(target_classes))
    members = classes.groupby(classes).indices
    numbers = np.full(len(train), -1, dtype=np.int64)
    start = 0
    for part, name in enumerate([*target_classes, *others]):
        order = generator(seed, "batches", part).permutation(members.get(name, np.empty(0, dtype=np.intp)))
        numbers[order] = start + np.arange(len(order)) // batch_size
        start += -(-len(order) // batch_size)
    return pd.Series(numbers, index=train.index, dtype="Int64")
