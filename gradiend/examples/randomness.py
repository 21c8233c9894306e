"""Random numbers of the data stage: one independent stream for each purpose, all from one seed."""

from typing import Literal, get_args

import numpy as np

Purpose = Literal["splits", "cap", "batches", "neutral", "control"]


def generator(seed: int, purpose: Purpose, part: int = 0) -> np.random.Generator:
    """The stream of a purpose; `part` numbers independent streams within it."""
    return np.random.default_rng([seed, get_args(Purpose).index(purpose), part])


def derived_seed(seed: int, purpose: Purpose) -> int:
    """A seed of its own for a purpose, where a plain number is needed."""
    return int(generator(seed, purpose).integers(2**63))
