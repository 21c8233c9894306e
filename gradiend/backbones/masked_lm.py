"""Masked language models: the slot becomes one mask token per target token."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gradiend.backbones.slots import Batch, Slot, batch_of, head_at
from gradiend.errors import GradiendError


class MaskedLM:
    """A frozen masked language model in eval mode, with its tokenizer.

    `placeholder` marks the slot in texts; `too_long` says what happens to a text longer than the model
    allows: "error", "cut" (symmetrically around the slot) or "drop".
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        placeholder: str = "[MASK]",
        too_long: str = "error",
    ) -> None:
        if tokenizer.mask_token_id is None:
            raise GradiendError(f"{model.name_or_path}: its tokenizer has no mask token; not a masked language model")
        self.pretrained = model
        self.model: nn.Module = model.eval().requires_grad_(False)
        self.backbone: nn.Module = model.base_model
        self.tokenizer: Any = tokenizer
        self.placeholder = placeholder
        self.too_long = too_long
        self.prefix = f"{model.base_model_prefix}."
        self.limit = _limit(model, tokenizer)
        self.embeddings = self._embedding_names(model)

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return next(self.model.parameters()).device

    def parameters(self) -> dict[str, nn.Parameter]:
        """The backbone's parameters by their names in the full model, in model order; no head parameter."""
        return {self.prefix + name: parameter for name, parameter in self.backbone.named_parameters()}

    def encode(
        self, texts: Sequence[str], targets: Sequence[str], ids: Iterable[int], *, too_long: str | None = None
    ) -> list[Slot | None]:
        """Texts with one placeholder and their targets -> slots; None for a text that is to be dropped.

        `too_long` overrides the model's own setting.

        Raises `GradiendError` that names the target if it is unknown, or the example's id: a text that is too
        long, has not exactly one placeholder, or holds a mask token of its own.
        """
        keys = [(_after_space(text, self.placeholder), target) for text, target in zip(texts, targets, strict=True)]
        known = {key: self._target(*key) for key in dict.fromkeys(keys)}
        tokens = [known[key] for key in keys]
        mask = self.tokenizer.mask_token
        filled = [text.replace(self.placeholder, mask * len(token)) for text, token in zip(texts, tokens, strict=True)]
        encoded = self._ids(filled)
        return [
            self._slot(example, text, row, token, too_long or self.too_long)
            for example, text, row, token in zip(ids, texts, encoded, tokens, strict=True)
        ]

    def language_slots(self, texts: Sequence[str], skip: Sequence[Sequence[int]] | None = None) -> list[Slot]:
        """Whole texts -> slots over every real (never special) token, unmasked; `skip` holds token ids to leave out."""
        rows = self._ids(list(texts))
        special = set(self.tokenizer.all_special_ids)
        left_out = [set(ids) for ids in skip] if skip is not None else [set()] * len(rows)
        result = []
        for row, without in zip(rows, left_out, strict=True):
            row = self._cut(row, 0)[0]
            positions = tuple(i for i, token in enumerate(row) if token not in special and token not in without)
            result.append(Slot(tuple(row), positions, tuple(row[i] for i in positions)))
        return result

    def neutral_slots(self, neutral: pd.DataFrame, seed: int) -> list[Slot | None]:
        """Neutral texts -> slots: at the text's own slot where its token is known, else at one real token, seeded.

        None for a text without a real token.
        """
        slots: list[Slot | None] = []
        columns = (neutral[name].tolist() for name in ("id", "text", "masked", "factual"))
        for number, text, masked, factual in zip(*columns, strict=True):
            if isinstance(masked, str) and isinstance(factual, str) and self._knows(factual):
                slots += self.encode([masked], [factual], [number], too_long="cut")
                continue
            (slot,) = self.language_slots([text])
            chosen = np.random.default_rng([seed, number]).permutation(len(slot.positions))[:1]
            slots.append(self.masked_at(slot, chosen.tolist()) if len(chosen) else None)
        return slots

    def masked_at(self, slot: Slot, chosen: Sequence[int]) -> Slot:
        """The slot's text with the mask token at some of its positions (indices into `slot.positions`)."""
        ids = list(slot.ids)
        for index in chosen:
            ids[slot.positions[index]] = self.tokenizer.mask_token_id
        return Slot(
            tuple(ids),
            tuple(slot.positions[i] for i in chosen),
            tuple(slot.targets[i] for i in chosen),
        )

    def target_ids(self, target: str) -> tuple[int, ...]:
        """The token ids of a target after white space."""
        return self._target(True, target)

    def save_pretrained(self, folder: Path) -> None:
        """Write the model as it is now, and its tokenizer, as a plain Hugging Face folder."""
        self.pretrained.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def batch(self, slots: Sequence[Slot]) -> Batch:
        """Slots as one padded batch on the model's device."""
        return batch_of(slots, self.tokenizer.pad_token_id or 0, self.device)

    def logits(self, batch: Batch) -> Tensor:
        """Logits at the slots only, `[targets, vocabulary]`, float32 or better."""
        with head_at(self.backbone, batch.example, batch.position):
            found: Tensor = self.model(**batch.inputs).logits  # [targets, 1, vocabulary]
        if found.shape[:2] != (len(batch.example), 1):
            kind = type(self.model).__name__
            raise GradiendError(f"{self.pretrained.name_or_path}: the head of {kind} does not work on single positions")
        logits = found[:, 0]
        return logits if logits.dtype == torch.float64 else logits.float()

    def _knows(self, target: str) -> bool:
        ids = self.tokenizer(f" {target}", add_special_tokens=False)["input_ids"]
        return bool(ids) and self.tokenizer.unk_token_id not in ids

    def _target(self, after_space: bool, target: str) -> tuple[int, ...]:
        text = f" {target}" if after_space else target
        ids = tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids or self.tokenizer.unk_token_id in ids:
            raise GradiendError(f"label '{target}' is not in the base model's vocabulary: use a label that it knows")
        return ids

    def _ids(self, texts: list[str]) -> list[list[int]]:
        if not texts:  # tokenizers fail there
            return []
        rows: list[list[int]] = self.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return rows

    def _slot(self, example: int, text: str, row: list[int], target: tuple[int, ...], too_long: str) -> Slot | None:
        mask = self.tokenizer.mask_token_id
        positions = [i for i, token in enumerate(row) if token == mask]
        if text.count(self.placeholder) != 1 or len(positions) != len(target):
            raise GradiendError(
                f"example {example}: {len(positions)} mask tokens for {len(target)} target tokens in '{text[:60]}': "
                f"a text must hold '{self.placeholder}' once and no '{self.tokenizer.mask_token}' besides"
            )
        if len(row) > self.limit:
            if too_long == "drop":
                return None
            if too_long == "error":
                raise GradiendError(
                    f"example {example}: {len(row)} tokens, the base model allows {self.limit}, in '{text[:60]}': "
                    "shorten it, or set data.too_long to cut or drop"
                )
            row, start = self._cut(row, (positions[0] + positions[-1] + 1) // 2)
            positions = [position - start for position in positions]
        return Slot(tuple(row), tuple(positions), target)

    def _cut(self, row: list[int], centre: int) -> tuple[list[int], int]:
        """At most `limit` ids: the special ones at both ends and a window around `centre`; and what it shifts by."""
        if len(row) <= self.limit:
            return row, 0
        tokenizer = self.tokenizer
        special = set(tokenizer.all_special_ids) - {tokenizer.mask_token_id, tokenizer.unk_token_id}
        head = next(i for i, token in enumerate(row) if token not in special)
        tail = next(i for i, token in enumerate(reversed(row)) if token not in special)
        room = self.limit - head - tail
        start = min(max(centre - room // 2, head), len(row) - tail - room)
        return [*row[:head], *row[start : start + room], *row[len(row) - tail :]], start - head

    def _embedding_names(self, model: PreTrainedModel) -> tuple[str, ...]:
        """Backbone parameters that are the model's input or (tied) output embeddings."""
        modules = (model.get_input_embeddings(), model.get_output_embeddings())
        own = {id(p) for module in modules if module is not None for p in module.parameters()}
        return tuple(name for name, parameter in self.parameters().items() if id(parameter) in own)


def _after_space(text: str, placeholder: str) -> bool:
    """Whether white space precedes the slot: tokenizers that mark word starts need it with the target."""
    before = text.partition(placeholder)[0]
    return before != "" and before[-1].isspace()


def _limit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that a text may have: the model's positions, less those kept for padding, or its tokenizer's bound."""
    config: Any = model.config
    positions = config.to_dict().get("max_position_embeddings") or 10**9
    words = model.get_input_embeddings()
    for module in model.base_model.modules():
        if module is words or not isinstance(module, nn.Embedding) or module.padding_idx is None:
            continue
        if module.num_embeddings == positions:
            positions -= module.padding_idx + 1
            break
    return int(min(positions, tokenizer.model_max_length))
