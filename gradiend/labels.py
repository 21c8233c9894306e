"""Which class a gradient speaks for, its label, and the feature factor that strengthens a class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def spoken_class(table: pd.DataFrame, source: str) -> "pd.Series[str]":
    """The class that the source gradient of each row speaks for.

    That is the alternative class for source `alternative`, else the factual class.
    """
    return table["alternative_class" if source == "alternative" else "factual_class"].astype(str)


def labels(table: pd.DataFrame, source: str, target_classes: Sequence[str]) -> np.ndarray:
    """`[rows]` float64: +1 / -1 where the source gradient speaks for the first / second target class, else 0.

    Identity rows (factual class == alternative class) have label 0, whatever their class.
    """
    spoken = spoken_class(table, source)
    identity = (table["factual_class"] == table["alternative_class"]).to_numpy()
    signs = (spoken == target_classes[0]).to_numpy().astype(float) - (spoken == target_classes[1]).to_numpy()
    return np.where(identity, 0.0, signs)


def strengthening_factor(index: int, source: str, target: str) -> float:
    """The feature factor that strengthens target class 0 or 1 of a normalised GRADIEND (+1 or -1).

    The class's own label, times -1 unless the source is `alternative` (then a gradient that is encoded to
    the class's label lowers its probability), times -1 if the decoder predicts the alternative gradient.
    """
    own = 1.0 if index == 0 else -1.0
    by_source = 1.0 if source == "alternative" else -1.0
    by_target = -1.0 if target == "alternative" else 1.0
    return own * by_source * by_target
