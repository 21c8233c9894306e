"""Language models: slot models that also predict the tokens of whole texts, whatever the way in which they do."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from gradiend.backbones.slot_model import SlotModel
from gradiend.backbones.slots import Slot
from gradiend.errors import GradiendError


class LanguageModel(SlotModel):
    """Predicts what stands at a slot by its own head, and the tokens of whole texts.

    A token is predicted at its position less `shift`; a language-modelling score asks for `scored_share` of a text's
    tokens at a time. `unit` names what is scored.
    """

    unit: ClassVar[str] = "tokens"
    shift: ClassVar[int]
    scored_share: ClassVar[float]

    @abstractmethod
    def language_slots(self, texts: Sequence[str], skip: Sequence[Sequence[int]] | None = None) -> list[Slot]:
        """Whole texts -> slots over every real (never special) token; `skip` holds token ids to leave out."""

    @abstractmethod
    def at(self, slot: Slot, chosen: Sequence[int]) -> Slot:
        """A slot of `language_slots` that asks for some of its tokens only (indices into `slot.positions`)."""

    @abstractmethod
    def target_ids(self, target: str) -> tuple[int, ...]:
        """The token ids of a target after white space. Raises `GradiendError` if it is not in the vocabulary."""

    def word(self, token: int) -> str:
        """A token as people read it, without the white space before it; its name where it stands for white space."""
        text = str(self.tokenizer.decode([token])).strip()
        return text or str(self.tokenizer.convert_ids_to_tokens(token))

    def neutral_slots(self, neutral: pd.DataFrame, seed: int) -> list[Slot | None]:
        """Neutral texts -> slots: at the text's own slot where its token is known, else at one real token, seeded.

        None for a text without a real token.
        """
        ids, texts, masked, factual = (neutral[name].tolist() for name in ("id", "text", "masked", "factual"))
        rows = zip(ids, texts, masked, factual, strict=True)
        return [self._neutral_slot(seed, number, text, own, target) for number, text, own, target in rows]

    def save_pretrained(self, folder: Path) -> None:
        """Write the model as it is now, and its tokenizer, as a plain Hugging Face folder."""
        self.pretrained.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _tokenised(
        self, texts: Sequence[str], skip: Sequence[Sequence[int]] | None
    ) -> Iterator[tuple[list[int], set[int]]]:
        """The ids of each text, and those among them that are never asked for: special ones, and its own to skip."""
        special, rows = set(self.tokenizer.all_special_ids), self._ids(list(texts))
        for row, own in zip(rows, [()] * len(rows) if skip is None else skip, strict=True):
            yield row, special | set(own)

    def _neutral_slot(self, seed: int, number: int, text: str, masked: object, factual: object) -> Slot | None:
        if isinstance(masked, str) and isinstance(factual, str) and self._knows(factual):
            (own,) = self.encode([masked], [factual], [number], too_long="cut")
            if own is not None:
                return own
        (slot,) = self.language_slots([text])
        chosen = np.random.default_rng([seed, number]).permutation(len(slot.positions))[:1]
        return self.at(slot, chosen.tolist()) if len(chosen) else None

    def _knows(self, target: str) -> bool:
        try:
            return bool(self.target_ids(target))
        except GradiendError:
            return False
