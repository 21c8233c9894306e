"""Batches regardless of class: the control of a training whose batches are each of one transition."""

import numpy as np
import pandas as pd

from gradiend.examples.randomness import generator

PLACE = ("factual_class", "alternative_class", "batch")


def mixed(examples: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The examples with the places of the training ones, batch and classes, dealt out anew, regardless of class.

    There are as many batches of as many examples as before, used at the same steps. The classes of a training example
    are then those of its place and say nothing of its text and tokens; other splits are as they were.
    """
    train = np.flatnonzero(examples["split"] == "train")
    order = generator(seed, "control").permutation(train)
    dealt = {name: examples[name].copy() for name in PLACE}
    for name, column in dealt.items():
        column.iloc[train] = examples[name].iloc[order].array
    return examples.assign(**dealt)
