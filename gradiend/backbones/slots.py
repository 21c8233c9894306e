"""Slots: tokenised texts with the positions where the base model must predict, and their batches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_FILLED = 0.8  # of a padded batch: what its shortest text is of its longest


@dataclass(frozen=True)
class Slot:
    """One tokenised text: its ids, the positions whose logits count, and the target id at each of them.

    With `decoder_ids`, `ids` are the encoder's and the positions those of the decoder's.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    targets: tuple[int, ...]
    decoder_ids: tuple[int, ...] = ()

    def same_input(self, other: "Slot") -> bool:
        """Whether one forward pass serves both."""
        return replace(self, targets=()) == replace(other, targets=())


@dataclass(frozen=True)
class Batch:
    """Slots padded to the longest.

    `inputs`: `input_ids` and `attention_mask`, and `decoder_input_ids` where there is a decoder, `[examples, tokens]`;
    `example`, `position`, `target`: `[targets]`, one element for every target token of every example.
    """

    inputs: dict[str, Tensor]
    example: Tensor
    position: Tensor
    target: Tensor

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.inputs["input_ids"])


def batch_of(slots: Sequence[Slot], pad_id: int, device: torch.device) -> Batch:
    """Pad slots (on the right) to the longest of them."""
    inputs = {
        "input_ids": _padded([slot.ids for slot in slots], pad_id),
        "attention_mask": _padded([[1] * len(slot.ids) for slot in slots], 0),
    }
    if slots[0].decoder_ids:  # a decoder sees nothing that is on the right, so no padding either
        inputs["decoder_input_ids"] = _padded([slot.decoder_ids for slot in slots], pad_id)
    counts = torch.tensor([len(slot.positions) for slot in slots])
    return Batch(
        {name: tensor.to(device) for name, tensor in inputs.items()},
        torch.arange(len(slots)).repeat_interleave(counts).to(device),
        torch.tensor([position for slot in slots for position in slot.positions], device=device),
        torch.tensor([target for slot in slots for target in slot.targets], device=device),
    )


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def losses(logits: Tensor, batch: Batch, targets: Tensor | None = None) -> Tensor:
    """Cross entropy of each example, the mean over its target tokens: `[targets, vocabulary] -> [examples]`."""
    by_token = F.cross_entropy(logits, batch.target if targets is None else targets, reduction="none")
    counts = torch.bincount(batch.example, minlength=batch.examples)
    total = torch.zeros(batch.examples, dtype=by_token.dtype, device=by_token.device)
    return total.index_add(0, batch.example, by_token) / counts


@contextmanager
def head_at(backbone: nn.Module, example: Tensor, position: Tensor) -> Iterator[None]:
    """The backbone hands only these hidden states to the head: `[examples, tokens, d] -> [targets, 1, d]`."""

    def keep(module: nn.Module, inputs: Any, output: Any) -> Any:
        hidden = output[0]
        hidden = hidden[example.to(hidden.device), position.to(hidden.device)].unsqueeze(1)
        if isinstance(output, tuple):
            return (hidden, *output[1:])
        output.last_hidden_state = hidden
        return output

    handle = backbone.register_forward_hook(keep)
    try:
        yield
    finally:
        handle.remove()


def length_sorted_chunks(lengths: Sequence[int], size: int, least_filled: float = LEAST_FILLED) -> list[list[int]]:
    """Indices of texts of these lengths in chunks of at most `size`, longest first.

    A chunk ends where a text is much shorter than its longest one: two passes cost less than the padding would.
    """
    chunks: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if not chunks or len(chunks[-1]) == size or lengths[index] < least_filled * lengths[chunks[-1][0]]:
            chunks.append([])
        chunks[-1].append(index)
    return chunks
