"""Text classifiers: no slot; what is predicted is a label of the model's classification head, from the whole text."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.slot_model import named
from gradiend.backbones.slots import Batch, Slot, batch_of
from gradiend.errors import GradiendError, did_you_mean

BATCH = 32  # of texts whose label is predicted to have one


class SequenceClassifier(LanguageModel):
    """A model with a classification head over two or more labels, of which one is right.

    A target is a label's name (config.json, id2label) or, where no name is itself a number, its number there. What a
    language-modelling score would be asked for, neutral text, is asked for the label that the model predicts as it is
    when the slots are made. A text that is too long is cut at its end.
    """

    objective = "sequence_classification"
    unit = "texts"
    shift = 0
    scored_share = 1.0

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any) -> None:
        super().__init__(model, tokenizer, **options)
        names = {int(number): str(name) for number, name in (model.config.id2label or {}).items()}
        self.labels = [names[number] for number in sorted(names)]
        if sorted(names) != [*range(len(names))] or len(set(self.labels)) < len(names):
            raise GradiendError(
                f"base model '{model.name_or_path}': id2label in its config.json is {names}: labels must be numbered "
                "from 0 and bear different names"
            )
        kind = model.config.problem_type or "single_label_classification"
        if len(self.labels) < 2 or kind != "single_label_classification":
            raise GradiendError(
                f"base model '{model.name_or_path}': {len(self.labels)} labels, problem_type '{kind}': a classifier of "
                "two or more labels is needed, of which one is right (single_label_classification)"
            )

    def encode(
        self, texts: Sequence[str], targets: Sequence[str], ids: Iterable[int], *, too_long: str | None = None
    ) -> list[Slot | None]:
        """Also refused: a text with a slot."""
        rows = zip(ids, texts, targets, self._ids(list(texts)), strict=True)
        return [self._slot(*row, too_long or self.too_long) for row in rows]

    def language_slots(self, texts: Sequence[str], skip: Sequence[Sequence[int]] | None = None) -> list[Slot]:
        """Each text once, its target the label that is predicted now; there is nothing to skip."""
        rows = zip(texts, self._ids(list(texts)), strict=True)
        slots = [Slot(self._input(row, f"neutral text '{text[:60]}'"), (0,), (0,)) for text, row in rows]
        predicted = self._predicted(slots)
        return [Slot(slot.ids, slot.positions, (label,)) for slot, label in zip(slots, predicted, strict=True)]

    def at(self, slot: Slot, chosen: Sequence[int]) -> Slot:
        """There is one thing to ask a text for."""
        return slot

    def target_ids(self, target: str) -> tuple[int, ...]:
        """The label's number."""
        return (self._label(target, ""),)

    def neutral_slots(self, neutral: pd.DataFrame, seed: int) -> list[Slot | None]:
        """Whole texts, each with the label that is predicted. Raises `GradiendError` where there are no texts."""
        if neutral.empty:
            raise GradiendError(
                "data.neutral: is missing: a classifier has no language-modelling score; what a rewritten one must "
                "keep are its labels of neutral texts, so give some"
            )
        return [*self.language_slots(neutral["text"].tolist())]

    def batch(self, slots: Sequence[Slot]) -> Batch:
        """Padded with the model's own padding token or, where it has none, a token that none of the texts holds."""
        return batch_of(slots, self._padding([slot.ids for slot in slots]), self.device)

    def logits(self, batch: Batch) -> Tensor:
        """`[examples, labels]`, float32 or better."""
        real = batch.inputs["input_ids"][batch.inputs["attention_mask"].bool()].tolist()
        with self._padding_known(self._padding([real])):
            logits: Tensor = self.model(**batch.inputs).logits
        return logits if logits.dtype == torch.float64 else logits.float()

    def _slot(self, example: int, text: str, target: str, row: list[int], too_long: str) -> Slot | None:
        if self.placeholder in text:
            raise GradiendError(
                f"{named(example)}: '{text[:60]}' has a slot '{self.placeholder}': a classifier reads whole texts: "
                "give them in the column data.columns.text"
            )
        label = self._label(target, f"{named(example)}: ")
        if not self._fits(example, text, len(row), too_long):
            return None
        return Slot(self._input(row, f"{named(example)}: '{text[:60]}'"), (0,), (label,))

    def _input(self, row: list[int], where: str) -> tuple[int, ...]:
        if not row:
            raise GradiendError(f"{where}: the base model's tokenizer finds no token in it: remove it")
        return tuple(self._cut(row, 0)[0])

    def _label(self, target: str, where: str) -> int:
        if target in self.labels:
            return self.labels.index(target)
        names_are_words = not any(name.isdecimal() for name in self.labels)
        if names_are_words and target.isdecimal() and int(target) < len(self.labels):
            return int(target)
        there = ", ".join(f"{i} '{name}'" for i, name in enumerate(self.labels[:12]))
        raise GradiendError(
            f"{where}'{target}' is no label of the base model: it has {there}"
            + (", ..." if len(self.labels) > 12 else "")
            + (hint if (hint := did_you_mean(target, self.labels)).startswith(" (did") else "")
        )

    @torch.no_grad()
    def _predicted(self, slots: Sequence[Slot]) -> list[int]:
        found = [0] * len(slots)
        for chunk in self.chunks(slots, BATCH):
            labels = self.logits(self.batch([slots[i] for i in chunk])).argmax(1).tolist()
            for i, label in zip(chunk, labels, strict=True):
                found[i] = label
        return found

    def _padding(self, rows: Sequence[Sequence[int]]) -> int:
        """Causal models classify at the last token that is no padding, so no real one must look like it."""
        own = self.pretrained.config.get_text_config().pad_token_id
        if own is not None and own >= 0:  # older configurations write -1 for none
            return int(own)
        real = {token for row in rows for token in row}
        return next(token for token in range(len(real) + 1) if token not in real)

    @contextmanager
    def _padding_known(self, token: int) -> Iterator[None]:
        """Within, the model's configuration names the padding token."""
        config = self.pretrained.config.get_text_config()
        before, config.pad_token_id = config.pad_token_id, token
        try:
            yield
        finally:
            config.pad_token_id = before
