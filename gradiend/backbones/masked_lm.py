"""Masked language models: the slot becomes one mask token per target token."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gradiend.backbones.slots import Slot
from gradiend.backbones.two_sided_lm import TwoSidedLM
from gradiend.errors import GradiendError


class MaskedLM(TwoSidedLM):
    """Predicts each target token where its mask token stands."""

    objective = "mlm"

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any) -> None:
        mask = tokenizer.mask_token_id
        if mask is None:
            raise GradiendError(f"{model.name_or_path}: its tokenizer has no mask token; not a masked language model")
        super().__init__(model, tokenizer, mask, tokenizer.mask_token, **options)

    def masks(self, count: int) -> int:
        """One per target token."""
        return count

    def slot(self, row: Sequence[int], positions: Sequence[int], target: tuple[int, ...]) -> Slot:
        """Asked at the mask tokens."""
        return Slot(tuple(row), tuple(positions), target)

    def at(self, slot: Slot, chosen: Sequence[int]) -> Slot:
        """The slot's text with the mask token at the chosen positions."""
        ids = list(slot.ids)
        for index in chosen:
            ids[slot.positions[index]] = self.mask
        return Slot(
            tuple(ids),
            tuple(slot.positions[i] for i in chosen),
            tuple(slot.targets[i] for i in chosen),
        )
