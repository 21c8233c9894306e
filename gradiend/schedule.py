"""Which training row is used at which step: epochs of rounds, one batch of each transition a round."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import pandas as pd

from gradiend.errors import GradiendError

SHUFFLE = 1  # beside the training seed: a stream of its own


@dataclass(frozen=True)
class Schedule:
    """The training rows by transition.

    `transitions` are the rows first -> second and second -> first target class; `identity` has the rows of each
    identity class, by name. An epoch has as many rounds as the larger transition has rows; a round is one row of
    each transition and, where there are identity rows, one of these, the identity classes in turn.
    """

    transitions: tuple[tuple[int, ...], tuple[int, ...]]
    identity: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, table: pd.DataFrame, target_classes: Sequence[str]) -> "Schedule":
        """The schedule of rows with the columns `factual_class, alternative_class`.

        Raises `GradiendError` if a transition of the target classes has no row, or a row is of another transition.
        """
        rows = _by_transition(table)
        first, second = target_classes
        wanted = [(first, second), (second, first)]
        identity = sorted(pair for pair in rows if pair[0] == pair[1])
        for pair in wanted:
            if pair not in rows:
                raise GradiendError(f"training rows: none of the transition {_name(pair)} (there are: {_names(rows)})")
        if others := rows.keys() - {*wanted, *identity}:
            raise GradiendError(f"training rows: {_names(others)}: not a transition of the target classes")
        return cls((rows[wanted[0]], rows[wanted[1]]), tuple(rows[pair] for pair in identity))

    @property
    def rounds(self) -> int:
        """Rounds of an epoch."""
        return max(map(len, self.transitions))

    @property
    def steps_per_epoch(self) -> int:
        """Rows, and so optimiser steps, of an epoch."""
        return self.rounds * (3 if self.identity else 2)

    def rows(self, seed: int) -> Iterator[int]:
        """The row of every step, epoch after epoch, without end.

        Every epoch shuffles the rows of each transition and identity class; shorter lists are cycled.
        """
        generator = np.random.default_rng([seed, SHUFFLE])
        turns = cycle(range(len(self.identity)))  # goes on over epochs: there may be more classes than rounds
        while True:
            groups = (*self.transitions, *self.identity)
            first, second, *identity = (cycle(generator.permutation(group).tolist()) for group in groups)
            for _ in range(self.rounds):
                yield next(first)
                yield next(second)
                if identity:
                    yield next(identity[next(turns)])


def _by_transition(table: pd.DataFrame) -> dict[tuple[str, str], tuple[int, ...]]:
    rows: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(zip(table["factual_class"], table["alternative_class"], strict=True)):
        rows.setdefault(pair, []).append(row)
    return {pair: tuple(own) for pair, own in rows.items()}


def _name(pair: tuple[str, str]) -> str:
    return f"{pair[0]} -> {pair[1]}"


def _names(pairs: "Sequence[tuple[str, str]] | set[tuple[str, str]] | dict[tuple[str, str], tuple[int, ...]]") -> str:
    return ", ".join(_name(pair) for pair in sorted(pairs)) or "none"
