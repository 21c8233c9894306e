"""LMS: the language-modelling score of a base model, and of its rewritten versions, on neutral text.

Masked language models: top-1 accuracy at masked positions. 15 % of a text's real tokens (never special, never
a target) are masked at a time; the positions are drawn once from a seed and are the same for every candidate.
A text's patterns are disjoint, so no position is scored twice.

Sequence-to-sequence models: likewise, what is masked being what the decoder must write, teacher-forced.

Causal language models: 1 / (1 + mean negative log likelihood) over all real tokens but the first of a text.

Text classifiers model no language: what stands for the score is the share of the texts whose predicted label is the
base model's, and a text counts as one token.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.slots import Batch, Slot
from gradiend.errors import GradiendError

STEP_TOKENS = 1_000
MOST_TOKENS = 10_000


@dataclass(frozen=True)
class TokenScores(ABC):
    """Of every scored token, in a fixed order: is the top prediction right, and its cross entropy, `[tokens]` each."""

    correct: np.ndarray
    cross_entropy: np.ndarray

    def __add__(self, other: Self) -> Self:
        return type(self)(
            np.concatenate([self.correct, other.correct]),
            np.concatenate([self.cross_entropy, other.cross_entropy]),
        )

    def __len__(self) -> int:
        return len(self.correct)

    @property
    @abstractmethod
    def lms(self) -> float:
        """The score, higher is better."""

    @property
    @abstractmethod
    def by_token(self) -> np.ndarray:
        """`[tokens]`, whose mean changes as the score does, to first order: what standard errors are taken of."""

    @property
    def lms_se(self) -> float:
        """Standard error of the score."""
        return _standard_error(self.by_token)

    @property
    def perplexity(self) -> float:
        """exp(mean cross entropy)."""
        return float(np.exp(self.cross_entropy.mean()))

    def first(self, count: int) -> Self:
        """The scores of the first tokens."""
        return type(self)(self.correct[:count], self.cross_entropy[:count])

    def against(self, base: Self, ratio: float = 1.0) -> tuple[float, float]:
        """Difference of the score to `ratio` x base, over this score's tokens, and its (paired) standard error."""
        same = base.first(len(self))
        return self.lms - ratio * same.lms, _standard_error(self.by_token - ratio * same.by_token)


class Accuracy(TokenScores):
    """Share of the tokens that are the top prediction."""

    @property
    def lms(self) -> float:
        """In [0, 1]."""
        return float(self.correct.mean())

    @property
    def by_token(self) -> np.ndarray:
        """`[tokens]`: 1 where it is."""
        return self.correct


class Likelihood(TokenScores):
    """1 / (1 + mean negative log likelihood)."""

    @property
    def lms(self) -> float:
        """In (0, 1]."""
        return float(1 / (1 + self.cross_entropy.mean()))

    @property
    def by_token(self) -> np.ndarray:
        """`[tokens]`: the cross entropy times the derivative of the score at its mean."""
        return -(self.lms**2) * self.cross_entropy  # d(1 / (1 + m)) = -1 / (1 + m)^2 dm


SCORES: dict[str, type[TokenScores]] = {
    "mlm": Accuracy,
    "clm": Likelihood,
    "seq2seq": Accuracy,
    "sequence_classification": Accuracy,
}


class NeutralText:
    """The scored positions of some texts, in steps of about `STEP_TOKENS` tokens up to `MOST_TOKENS`.

    `table` lists them in the order in which they are scored: `text_id, pattern, position, token_id`.
    """

    def __init__(
        self,
        base: LanguageModel,
        ids: Sequence[int],
        texts: Sequence[str],
        *,
        skip: Sequence[Sequence[int]],
        seed: int,
        batch_size: int,
    ) -> None:
        slots = base.language_slots(texts, skip)
        masked = _patterns(base, ids, slots, seed)
        if not masked:
            raise GradiendError("the neutral texts hold no token that could be scored: give longer texts")
        steps = _steps(masked)
        self._base, self.kind = base, SCORES[base.objective]
        self._batches: list[list[Batch]] = []
        lines = []
        for step in steps:
            chunks = base.chunks([slot for _, _, slot in step], batch_size)
            self._batches.append([base.batch([step[i][2] for i in chunk]) for chunk in chunks])
            lines += [step[i] for chunk in chunks for i in chunk]
        self.table = _table(lines, base.shift)

    def __len__(self) -> int:
        return len(self._batches)

    @torch.no_grad()
    def score(self, step: int) -> TokenScores:
        """Score the tokens of one step with the base model as its weights are now."""
        parts = []
        for batch in self._batches[step]:
            logits = self._base.logits(batch)
            right = (logits.argmax(-1) == batch.target).double()
            entropy = F.cross_entropy(logits, batch.target, reduction="none").double()
            parts.append(self.kind(right.cpu().numpy(), entropy.cpu().numpy()))
        return sum(parts[1:], parts[0])


def _patterns(base: LanguageModel, ids: Sequence[int], slots: Sequence[Slot], seed: int) -> list[tuple[int, int, Slot]]:
    """(text id, pattern, what is asked): pattern 0 of all texts, in a seeded order, then pattern 1, and so on."""
    order = np.random.default_rng([seed, 6]).permutation(len(slots))
    drawn = {i: np.random.default_rng([seed, 7, int(ids[i])]).permutation(len(slots[i].positions)) for i in order}
    counts = {i: max(1, round(base.scored_share * len(own))) for i, own in drawn.items()}
    result: list[tuple[int, int, Slot]] = []
    tokens = pattern = 0
    open_texts = [i for i in order if len(drawn[i])]
    while open_texts and tokens < MOST_TOKENS:
        for i in open_texts:
            count = counts[i]
            chosen = np.sort(drawn[i][pattern * count : (pattern + 1) * count])
            if len(chosen) == count and tokens < MOST_TOKENS:
                result.append((int(ids[i]), pattern, base.at(slots[i], chosen.tolist())))
                tokens += count
        pattern += 1
        open_texts = [i for i in open_texts if (pattern + 1) * counts[i] <= len(drawn[i])]
    return result


def _steps(masked: list[tuple[int, int, Slot]]) -> list[list[tuple[int, int, Slot]]]:
    """Consecutive groups of at least `STEP_TOKENS` tokens; what is left over joins the last."""
    steps: list[list[tuple[int, int, Slot]]] = [[]]
    tokens = 0
    for item in masked:
        if tokens >= STEP_TOKENS:
            steps.append([])
            tokens = 0
        steps[-1].append(item)
        tokens += len(item[2].positions)
    if len(steps) > 1 and tokens < STEP_TOKENS:
        rest = steps.pop()
        steps[-1] += rest
    return steps


def _table(lines: list[tuple[int, int, Slot]], shift: int) -> pd.DataFrame:
    """The positions are those of the scored tokens, `shift` behind where they are predicted."""
    return pd.DataFrame(
        [
            (text_id, pattern, position + shift, token)
            for text_id, pattern, slot in lines
            for position, token in zip(slot.positions, slot.targets, strict=True)
        ],
        columns=["text_id", "pattern", "position", "token_id"],
    )


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("inf")
