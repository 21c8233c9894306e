"""Rows computed from the base model as they are asked for; also what a store is written from."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradiend.backbones.slot_model import SlotModel, named
from gradiend.backbones.slots import length_sorted_chunks
from gradiend.errors import GradiendError, visible
from gradiend.gradients.capture import Capture, Pair
from gradiend.space import ParameterSpace


def encode_pairs(base: SlotModel, examples: pd.DataFrame) -> list[Pair | None]:
    """Each example as a pair of slots; None where the base model cannot use its text and it is to be dropped.

    Raises `GradiendError` where a label and an alternative that are other text are the same to the base model.
    """
    texts, labels, others, ids = (examples[name].tolist() for name in ("masked", "factual", "alternative", "id"))
    factual, alternative = base.encode(texts, labels, ids), base.encode(texts, others, ids)
    for example, label, other, f, a in zip(ids, labels, others, factual, alternative, strict=True):
        if label != other and f is not None and f == a:  # their gradients would be the same, and diff 0
            raise GradiendError(
                f"{named(example)}: label '{visible(label)}' and its alternative '{visible(other)}' are the same to "
                "the base model (its tokens, or a classifier's label): they must differ"
            )
    return [None if f is None or a is None else Pair(f, a) for f, a in zip(factual, alternative, strict=True)]


def example_table(examples: pd.DataFrame) -> pd.DataFrame:
    """One row per example: ids as lists of one, classes, shard 0."""
    return _table([[i] for i in examples["id"]], examples["factual_class"], examples["alternative_class"])


def batch_table(examples: pd.DataFrame) -> pd.DataFrame:
    """One row per training batch, in the order of the column `batch`."""
    groups = examples.groupby("batch", sort=True)
    first = groups.first()
    return _table([list(ids) for _, ids in groups["id"]], first["factual_class"], first["alternative_class"])


def _table(ids: list[list[int]], factual: "pd.Series[str]", alternative: "pd.Series[str]") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "shard": np.zeros(len(ids), dtype=np.int64),
            "position": np.arange(len(ids)),
            "example_ids": ids,
            "factual_class": factual.to_numpy(),
            "alternative_class": alternative.to_numpy(),
        }
    )


class LiveRows:
    """Rows of a split, computed from the base model whenever they are read; same interface as `StoredRows`.

    `groups[i]` are the examples of row i: a batch, or a single example. At most `batch_size` examples go through
    the base model at a time. `dropped` counts the examples that the base model cannot use.
    """

    def __init__(
        self,
        capture: Capture,
        table: pd.DataFrame,
        groups: Sequence[Sequence[Pair]],
        batch_size: int,
        *,
        dropped: int = 0,
    ) -> None:
        self.space: ParameterSpace = capture.space
        self.table, self.dropped = table, dropped
        self._capture, self._groups, self._batch_size = capture, groups, batch_size
        self._single = all(len(group) == 1 for group in groups)

    def pair(self, row: int) -> tuple[Tensor, Tensor]:
        """Factual and alternative gradient of the mean loss over the row's examples, `[input_dim]` each."""
        group = self._groups[row]
        factual = torch.zeros(self.space.input_dim)
        alternative = torch.zeros(self.space.input_dim)
        for start in range(0, len(group), self._batch_size):
            part = group[start : start + self._batch_size]
            f, a = self._capture.batch_row(part)
            factual += f.cpu() * (len(part) / len(group))
            alternative += a.cpu() * (len(part) / len(group))
        return factual, alternative

    def blocks(self, rows: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """The gradients of some rows, in order, `[block, input_dim]` each.

        Single examples go through the base model in chunks, in the order asked for (short ones: `by_length`).
        """
        if not self._single:
            for row in rows:
                factual, alternative = self.pair(row)
                yield factual[None], alternative[None]
            return
        size = self._batch_size
        for start in range(0, len(rows), size):
            pairs = [self._groups[row][0] for row in rows[start : start + size]]
            factual, alternative = self._capture.example_rows(pairs)
            yield factual.to("cpu", torch.float32), alternative.to("cpu", torch.float32)

    def check(self) -> None:
        """Let the capture check itself, on the first of the rows `by_length`, whichever of them are read afterwards."""
        first = next((rows[0] for rows in self.by_length()), None)
        if first is not None:
            self._capture.check_once(self._groups[first][0].factual)

    def of_examples(self, count: int, size: int) -> Tensor:
        """Factual and alternative gradients of the first examples, `[2 examples, input_dim]`, `size` at a time."""
        pairs = [pair for group in self._groups for pair in group][:count]
        parts = [self._capture.example_rows(pairs[start : start + size]) for start in range(0, len(pairs), size)]
        return torch.cat([torch.cat(rows) for rows in zip(*parts, strict=True)]).to("cpu", torch.float32)

    def by_length(self) -> list[list[int]]:
        """All rows in chunks of similar length, for whoever reads them in any order."""
        lengths = [max(len(pair.factual.ids) for pair in group) for group in self._groups]
        return length_sorted_chunks(lengths, self._batch_size if self._single else 1)
