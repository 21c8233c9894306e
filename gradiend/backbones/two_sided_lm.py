"""Language models that see the text on both sides of the slot, where a mask token stands."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.slot_model import named
from gradiend.backbones.slots import Slot
from gradiend.errors import GradiendError


class TwoSidedLM(LanguageModel):
    """Predicts a slot from the text on both sides; a text that is too long is cut around it.

    `mask` and `mask_token` are what stands at the slot, `masks(n)` of them for a target of n tokens.
    """

    shift = 0
    scored_share = 0.15

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, mask: int, mask_token: str, **options: Any
    ) -> None:
        super().__init__(model, tokenizer, **options)
        self.mask, self.mask_token = mask, mask_token
        self.special.discard(mask)

    @abstractmethod
    def masks(self, count: int) -> int:
        """How many mask tokens stand for a target of `count` tokens."""

    @abstractmethod
    def slot(self, row: Sequence[int], positions: Sequence[int], target: tuple[int, ...]) -> Slot:
        """The slot of a tokenised text with mask tokens at some positions."""

    def encode(
        self, texts: Sequence[str], targets: Sequence[str], ids: Iterable[int], *, too_long: str | None = None
    ) -> list[Slot | None]:
        """Also refused: a text that holds a mask token of its own."""
        keys = [(text.partition(self.placeholder)[0][-1:], target) for text, target in zip(texts, targets, strict=True)]
        ids = list(ids)
        first = dict(zip(reversed(keys), reversed(ids), strict=True))
        known = {key: self._target(*key, first[key]) for key in dict.fromkeys(keys)}
        tokens = [known[key] for key in keys]
        masks = [self.mask_token * self.masks(len(token)) for token in tokens]
        encoded = self._ids([text.replace(self.placeholder, own) for text, own in zip(texts, masks, strict=True)])
        return [
            self._slot(example, text, row, token, too_long or self.too_long)
            for example, text, row, token in zip(ids, texts, encoded, tokens, strict=True)
        ]

    def language_slots(self, texts: Sequence[str], skip: Sequence[Sequence[int]] | None = None) -> list[Slot]:
        """The texts are unmasked; `at` masks."""
        result = []
        for row, never in self._tokenised(texts, skip):
            row = self._cut(row, 0)[0]
            positions = tuple(i for i, token in enumerate(row) if token not in never)
            result.append(Slot(tuple(row), positions, tuple(row[i] for i in positions)))
        return result

    def target_ids(self, target: str) -> tuple[int, ...]:
        """As in a text, where tokenizers that mark word starts have another token than without white space."""
        return self._target(" ", target)

    def _target(self, before: str, target: str, example: int | None = None) -> tuple[int, ...]:
        """The ids of a target after a character: white space, any other, or none at a text's beginning."""
        word = f" {target}" if before.isspace() else target
        if before and not before.isspace():  # some tokenizers take the beginning of a text for white space
            start, whole = self.tokenizer([before, before + target], add_special_tokens=False)["input_ids"]
            if whole[: len(start)] == start and self.tokenizer.unk_token_id not in whole:
                return self._known(whole[len(start) :], target, example)
        return self._known(self.tokenizer(word, add_special_tokens=False)["input_ids"], target, example)

    def _slot(self, example: int, text: str, row: list[int], target: tuple[int, ...], too_long: str) -> Slot | None:
        positions, masks = [i for i, token in enumerate(row) if token == self.mask], self.masks(len(target))
        if text.count(self.placeholder) != 1 or len(positions) != masks:
            raise GradiendError(
                f"{named(example)}: {len(positions)} mask tokens for {masks} in '{text[:60]}': "
                f"a text must hold '{self.placeholder}' once and no '{self.mask_token}' besides"
            )
        hidden = len(target) - masks  # tokens of the target that the decoder sees and the text does not hold
        if not self._fits(example, text, len(row) + hidden, too_long):
            return None
        row, start = self._cut(row, (positions[0] + positions[-1] + 1) // 2, self.limit - hidden)
        return self.slot(row, [position - start for position in positions], target)
