"""Masked language models: the slot becomes one mask token per target token."""

from collections.abc import Iterable, Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gradiend.backbones.language_model import LanguageModel, named
from gradiend.backbones.slots import Slot
from gradiend.errors import GradiendError


class MaskedLM(LanguageModel):
    """Predicts a slot from the text on both sides; a text that is too long is cut around it."""

    objective = "mlm"
    shift = 0
    scored_share = 0.15

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any) -> None:
        if tokenizer.mask_token_id is None:
            raise GradiendError(f"{model.name_or_path}: its tokenizer has no mask token; not a masked language model")
        super().__init__(model, tokenizer, **options)

    def encode(
        self, texts: Sequence[str], targets: Sequence[str], ids: Iterable[int], *, too_long: str | None = None
    ) -> list[Slot | None]:
        """Also refused: a text that holds a mask token of its own."""
        keys = [(_after_space(text, self.placeholder), target) for text, target in zip(texts, targets, strict=True)]
        ids = list(ids)
        first = dict(zip(reversed(keys), reversed(ids), strict=True))
        known = {key: self._target(*key, first[key]) for key in dict.fromkeys(keys)}
        tokens = [known[key] for key in keys]
        mask = self.tokenizer.mask_token
        filled = [text.replace(self.placeholder, mask * len(token)) for text, token in zip(texts, tokens, strict=True)]
        encoded = self._ids(filled)
        return [
            self._slot(example, text, row, token, too_long or self.too_long)
            for example, text, row, token in zip(ids, texts, encoded, tokens, strict=True)
        ]

    def language_slots(self, texts: Sequence[str], skip: Sequence[Sequence[int]] | None = None) -> list[Slot]:
        """The texts are unmasked; `at` masks."""
        rows = self._ids(list(texts))
        special = set(self.tokenizer.all_special_ids)
        left_out = [set(ids) for ids in skip] if skip is not None else [set()] * len(rows)
        result = []
        for row, without in zip(rows, left_out, strict=True):
            row = self._cut(row, 0)[0]
            positions = tuple(i for i, token in enumerate(row) if token not in special and token not in without)
            result.append(Slot(tuple(row), positions, tuple(row[i] for i in positions)))
        return result

    def at(self, slot: Slot, chosen: Sequence[int]) -> Slot:
        """The slot's text with the mask token at the chosen positions."""
        ids = list(slot.ids)
        for index in chosen:
            ids[slot.positions[index]] = self.tokenizer.mask_token_id
        return Slot(
            tuple(ids),
            tuple(slot.positions[i] for i in chosen),
            tuple(slot.targets[i] for i in chosen),
        )

    def target_ids(self, target: str) -> tuple[int, ...]:
        """As in a text, where tokenizers that mark word starts have another token than without white space."""
        return self._target(True, target)

    def _target(self, after_space: bool, target: str, example: int | None = None) -> tuple[int, ...]:
        text = f" {target}" if after_space else target
        return self._known(self.tokenizer(text, add_special_tokens=False)["input_ids"], target, example)

    def _slot(self, example: int, text: str, row: list[int], target: tuple[int, ...], too_long: str) -> Slot | None:
        mask = self.tokenizer.mask_token_id
        positions = [i for i, token in enumerate(row) if token == mask]
        if text.count(self.placeholder) != 1 or len(positions) != len(target):
            raise GradiendError(
                f"{named(example)}: {len(positions)} mask tokens for {len(target)} target tokens in '{text[:60]}': "
                f"a text must hold '{self.placeholder}' once and no '{self.tokenizer.mask_token}' besides"
            )
        if not self._fits(example, text, len(row), too_long):
            return None
        row, start = self._cut(row, (positions[0] + positions[-1] + 1) // 2)
        return Slot(tuple(row), tuple(position - start for position in positions), target)


def _after_space(text: str, placeholder: str) -> bool:
    """Whether white space precedes the slot: tokenizers that mark word starts need it with the target."""
    before = text.partition(placeholder)[0]
    return before != "" and before[-1].isspace()
