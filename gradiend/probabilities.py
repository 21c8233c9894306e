"""The probability of each class's tokens at the slot of examples."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.slots import Batch, Slot


class ClassProbabilities:
    """Measures P(class) at the slots of some examples, for the base model as its weights are at the call.

    P of a form of several tokens is the product of its token probabilities, with as many masks as tokens; a
    class's probability is the sum over its distinct token-id sequences. Where the two target classes share a
    sequence, the example's own two tokens stand for them.
    """

    def __init__(
        self,
        base: LanguageModel,
        examples: pd.DataFrame,
        forms: Mapping[str, Collection[str]],
        target_classes: Sequence[str],
        batch_size: int,
    ) -> None:
        distinct = sorted({form for own in forms.values() for form in own})
        texts, ids = examples["masked"].tolist(), examples["id"].tolist()
        encoded = {form: base.encode(texts, [form] * len(texts), ids) for form in distinct}
        fits = np.array([all(encoded[form][i] is not None for form in distinct) for i in range(len(texts))], dtype=bool)
        slots = {form: [slot for slot in encoded[form] if slot is not None] for form in distinct}
        if not fits.all():
            slots = {
                form: [s for s, fit in zip(encoded[form], fits, strict=True) if fit and s is not None]
                for form in distinct
            }
        self.examples = examples[fits].reset_index(drop=True)
        self.classes = sorted(forms)
        self._base = base
        self._passes = _passes(base, distinct, slots, batch_size)
        self._members = _members(self.classes, forms, distinct, slots)
        self._own_tokens(distinct, slots, target_classes)

    def __len__(self) -> int:
        return len(self.examples)

    @torch.no_grad()
    def measure(self) -> np.ndarray:
        """`[examples, classes]` float64, the classes in the order of `classes`."""
        by_form = np.zeros((self._members.shape[0], self._members.shape[2]))
        for batch, rows, form, targets in self._passes:
            log_p = self._base.logits(batch).double().log_softmax(-1)
            log_p = log_p.view(len(rows), targets.shape[-1], -1)  # [examples, tokens of the form, vocabulary]
            chosen = log_p[:, None].expand(-1, targets.shape[1], -1, -1).gather(-1, targets[..., None])
            by_form[np.ix_(rows, form)] = chosen[..., 0].sum(-1).exp().cpu().numpy()
        result: np.ndarray = (self._members * by_form[:, None, :]).sum(-1)
        return result

    def means(self, probabilities: np.ndarray) -> dict[str, float]:
        """`p_{scored class}_on_{class of the example}` -> mean probability."""
        own = self.examples["factual_class"].to_numpy()
        return {
            f"p_{scored}_on_{name}": float(probabilities[own == name, column].mean())
            for name in sorted(set(own))
            for column, scored in enumerate(self.classes)
        }

    def _own_tokens(self, distinct: list[str], slots: Mapping[str, list[Slot]], target_classes: Sequence[str]) -> None:
        """Where the target classes share a sequence: of them, only the example's own two tokens count."""
        first, second = (self.classes.index(name) for name in target_classes)
        if not _share_a_sequence(self._members, first, second, distinct, slots):
            return
        column = {form: i for i, form in enumerate(distinct)}
        for side in ("factual", "alternative"):
            own = zip(self.examples[f"{side}_class"].tolist(), self.examples[side].tolist(), strict=True)
            for row, (name, form) in enumerate(own):
                if name in target_classes:
                    self._members[row, self.classes.index(name)] = 0
                    self._members[row, self.classes.index(name), column[form]] = 1


def _passes(
    base: LanguageModel, distinct: list[str], slots: Mapping[str, list[Slot]], batch_size: int
) -> list[tuple[Batch, list[int], list[int], Tensor]]:
    """Forward passes that serve several forms at once: (batch, its examples, the forms, their ids).

    The ids are `[examples, forms, tokens]`. Forms share an example's pass where its input is the same for them;
    how many tokens a form has may depend on the example.
    """
    groups: dict[tuple[tuple[int, ...], int], list[tuple[int, Slot]]] = {}
    for row in range(len(slots[distinct[0]]) if distinct else 0):
        columns: dict[Slot, list[int]] = {}
        for column, form in enumerate(distinct):
            slot = slots[form][row]
            columns.setdefault(replace(slot, targets=()), []).append(column)
        for asked, served in columns.items():
            groups.setdefault((tuple(served), len(asked.positions)), []).append((row, asked))
    result = []
    for (own, _), asked_of in groups.items():
        for chunk in base.chunks([slot for _, slot in asked_of], batch_size):
            rows = [asked_of[i][0] for i in chunk]
            ids = [[slots[distinct[column]][row].targets for column in own] for row in rows]
            batch = base.batch([slots[distinct[own[0]]][row] for row in rows])
            result.append((batch, rows, list(own), torch.tensor(ids, device=base.device)))
    return result


def _members(
    classes: Sequence[str], forms: Mapping[str, Collection[str]], distinct: list[str], slots: Mapping[str, list[Slot]]
) -> np.ndarray:
    """`[examples, classes, forms]`: 1 where a form counts for a class; of forms with the same ids only the first."""
    count = len(slots[distinct[0]]) if distinct else 0
    members = np.zeros((count, len(classes), len(distinct)))
    for i, name in enumerate(classes):
        columns = [distinct.index(form) for form in forms[name]]
        for row in range(count):
            seen: set[tuple[int, ...]] = set()
            for column in columns:
                ids = slots[distinct[column]][row].targets
                members[row, i, column] = ids not in seen
                seen.add(ids)
    return members


def _share_a_sequence(
    members: np.ndarray, first: int, second: int, distinct: list[str], slots: Mapping[str, list[Slot]]
) -> bool:
    if not len(members):
        return False
    one, other = (
        {slots[distinct[column]][0].targets for column in np.flatnonzero(members[0, i])} for i in (first, second)
    )
    return bool(one & other)
