"""Causal language models: the slot is what follows the text before it; the text after it is not used."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.slot_model import named
from gradiend.backbones.slots import Slot
from gradiend.errors import GradiendError


class CausalLM(LanguageModel):
    """Predicts a slot from the text before it, a target of several tokens teacher-forced.

    A text with nothing before its slot is dropped; one that is too long is cut at its beginning.
    """

    objective = "clm"
    shift = 1
    scored_share = 1.0

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any) -> None:
        super().__init__(model, tokenizer, **options)
        decoder = model.get_decoder()
        if decoder in set(self.backbone.modules()):  # some (OPT) call the head on a part of the backbone
            self.trunk = decoder
        self._require_causal()

    def encode(
        self, texts: Sequence[str], targets: Sequence[str], ids: Iterable[int], *, too_long: str | None = None
    ) -> list[Slot | None]:
        """Also refused: a target whose tokens do not continue those of the text before it."""
        before = [text.partition(self.placeholder)[0] for text in texts]
        prefixes, bare = self._ids(before), self._ids([prefix.rstrip() for prefix in before])
        whole = self._ids([prefix + target for prefix, target in zip(before, targets, strict=True)])
        slots: list[Slot | None] = []
        lengths = too_long or self.too_long
        for example, text, target, start, stripped, row in zip(ids, texts, targets, prefixes, bare, whole, strict=True):
            if text.count(self.placeholder) != 1:
                raise GradiendError(f"{named(example)}: a text must hold '{self.placeholder}' once: '{text[:60]}'")
            empty = not text.partition(self.placeholder)[0].strip()
            slots.append(None if empty else self._slot(example, text, target, (start, stripped), row, lengths))
        return slots

    def language_slots(self, texts: Sequence[str], skip: Sequence[Sequence[int]] | None = None) -> list[Slot]:
        """Every token but the first is predicted."""
        result = []
        for row, never in self._tokenised(texts, skip):
            row = row[: self.limit]
            asked = [i for i in range(1, len(row)) if row[i] not in never]
            result.append(Slot(tuple(row), tuple(i - 1 for i in asked), tuple(row[i] for i in asked)))
        return result

    def at(self, slot: Slot, chosen: Sequence[int]) -> Slot:
        """The text as far as it is needed."""
        positions = tuple(slot.positions[i] for i in chosen)
        return Slot(slot.ids[: positions[-1] + 1], positions, tuple(slot.targets[i] for i in chosen))

    def target_ids(self, target: str) -> tuple[int, ...]:
        """As after a word: tokenizers may treat the beginning of a text in their own way."""
        start, whole = self._ids(["a", f"a {target}"])
        return self._known(whole[len(start) :], target)

    def _slot(
        self, example: int, text: str, target: str, starts: Sequence[list[int]], whole: list[int], too_long: str
    ) -> Slot | None:
        start = next((row for row in starts if row == whole[: len(row)] and len(row) < len(whole)), None)
        if start is None:
            raise GradiendError(
                f"{named(example)}: '{target}' does not continue the tokens of the text before it in '{text[:60]}': "
                f"put white space before '{self.placeholder}', or use another label"
            )
        tokens = self._known(whole[len(start) :], target, example)
        if not self._fits(example, text, len(whole) - 1, too_long):
            return None
        ids = self._cut(whole[:-1], len(whole))[0]
        return Slot(tuple(ids), tuple(range(len(ids) - len(tokens), len(ids))), tokens)

    def _require_causal(self) -> None:
        """Encoders with a causal head (BertLMHeadModel) look ahead unless their config says that they are decoders."""
        texts = [Slot((1, 2, last), (0, 1), (2, last)) for last in (1, 2)]
        with torch.no_grad():
            logits = self.logits(self.batch(texts)).view(2, 2, -1)  # [texts, positions, vocabulary]
        if not float((logits[0] - logits[1]).norm()) <= 0.01 * float(logits[0].norm()):
            name = self.pretrained.name_or_path
            raise GradiendError(f"base model '{name}': its predictions depend on the tokens after them: not causal")

    def _ids(self, texts: list[str]) -> list[list[int]]:
        """Without what some tokenizers put at the end, which nothing would continue."""
        rows = super()._ids(texts)
        for row in rows:
            while row and row[-1] in self.special:
                row.pop()
        return rows
