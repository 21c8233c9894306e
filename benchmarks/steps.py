"""Training steps against the bandwidth of the memory.

    python benchmarks/steps.py [--entries 10000 100000 1000000 10000000] [--device cpu]

prints a table: one step (source alternative, target diff, AdamW) against one read of 14 floats an entry, the least
that a step can read and write; and the in-training evaluation of 200 rows, one product of a matrix and a vector.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from subjects import train_settings
from timing import best_of, heading, line
from torch import Tensor

from gradiend.course import encode_rows
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.space import ParameterSpace
from gradiend.steps import Step

FLOATS = 14  # read or written an entry: 3 parameters with their two moments, factual and alternative gradient, ...
ROWS = 8


class Held:
    """Some random rows in memory."""

    def __init__(self, space: ParameterSpace, device: str) -> None:
        self.space, self.table = space, pd.DataFrame({"row": range(ROWS)})
        generator = torch.Generator().manual_seed(0)
        self._rows = (torch.randn(2, ROWS, space.input_dim, generator=generator) * 1e-3).to(device)

    def pair(self, row: int) -> tuple[Tensor, Tensor]:
        return self._rows[0, row], self._rows[1, row]

    def blocks(self, rows):
        yield self._rows[0, : len(rows)], self._rows[1, : len(rows)]


def main() -> None:
    """One line for every number of entries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    heading(
        "entries",
        "step (ms)",
        "steps per second",
        f"read of {FLOATS} floats (ms)",
        "step / read",
        "8 rows encoded (ms)",
    )
    for entries in given.entries:
        best = best_of(ways(entries, given.device), given.rounds, given.device, repeats=max(1, 10**6 // entries))
        step, read, encoding = (best[name] * 1e3 for name in ("step", "read", "encoding"))
        line([entries, step, 1e3 / step, read, step / read, encoding])


def ways(entries: int, device: str):
    """What is timed, by name; each is repeated to last long enough, and the time is of one."""
    space = ParameterSpace.of({"w": torch.empty(entries, device="meta")})
    model = GradiendModel(space, GradiendConfig(("a", "b"))).initialise(0).to(device)
    rows, stored, words = Held(space, device), Held(space, "cpu"), torch.ones(FLOATS * entries, device=device)
    step = Step(model, train_settings(), 1e-4)
    return {
        "step": lambda: step(*rows.pair(int(np.random.randint(ROWS))), 1.0),
        "read": lambda: float(words.sum()),
        "encoding": lambda: encode_rows(model, stored, np.arange(ROWS)),
    }


if __name__ == "__main__":
    main()
