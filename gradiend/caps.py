"""Caps on the number of rows: always a prefix of one seeded order, so a smaller cap is part of a larger one.

The order of two rows depends on the seed and on their ids alone, the index of the series that is given: so rows
that an earlier cap left out change nothing.
"""

import numpy as np
import pandas as pd

from gradiend.errors import GradiendError

OF_THE_ENCODER = "encoder_eval_max_size (or encoder_eval_train_max_size, seed_selection_eval_max_size)"


def capped(classes: "pd.Series[str]", cap: int | None, *, balanced: bool, seed: int) -> np.ndarray:
    """Sorted positions of at most `cap` rows (None: no cap), int64; `classes` has the rows' ids as its index.

    Balanced: equally many of each class, min(smallest class, cap // number of classes).
    """
    order = _order(classes.index, seed)
    if not balanced or len(classes) == 0:
        return np.sort(order[:cap])
    drawn = classes.to_numpy()[order]
    names = sorted(set(drawn))
    each = min(int((drawn == name).sum()) for name in names)
    if cap is not None:
        each = min(each, cap // len(names))
    return np.sort(np.concatenate([order[drawn == name][:each] for name in names]))


def require_each_class(classes: "pd.Series[str]", cap: int | None, setting: str) -> None:
    """Raise `GradiendError` where a balanced cap leaves no row of any class; `setting` names it in the message."""
    count = classes.nunique()
    if cap is not None and cap < count:
        raise GradiendError(
            f"training_arguments.{setting}: {cap} leaves no example of {count} classes, of which equally many are "
            f"read: should be at least {count}"
        )


def capped_per_class(classes: "pd.Series[str]", cap: int | None, *, seed: int) -> np.ndarray:
    """Sorted positions of at most `cap` rows of each class (None: all), int64."""
    order = _order(classes.index, seed)
    drawn = classes.to_numpy()[order]
    return np.sort(np.concatenate([order[:0], *(order[drawn == name][:cap] for name in sorted(set(drawn)))]))


def _order(ids: "pd.Index[int]", seed: int) -> np.ndarray:
    """Positions by a hash of seed and id (splitmix64: a bijection for every seed, so there are no ties)."""
    with np.errstate(over="ignore"):
        x = ids.to_numpy().astype(np.uint64) + np.uint64(seed) * np.uint64(0xD1342543DE82EF95)
        x += np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return np.argsort(x, kind="stable")
