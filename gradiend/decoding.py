"""Decoder evaluation: what rewriting the base model with each candidate does, and which one is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from gradiend.choice import Aim, Candidate, Measured, best, between, boundary, reason
from gradiend.lms import NeutralText, TokenScores
from gradiend.probabilities import ClassProbabilities
from gradiend.rewriting import Rewriter

BISECTIONS = 4
Update = Callable[[float], Tensor]  # feature factor -> [input_dim]


class SplitEvaluator:
    """Measures candidates on the examples and neutral texts of one split, against the base model."""

    def __init__(
        self,
        rewriter: Rewriter,
        examples: ClassProbabilities,
        neutral: NeutralText,
        target_classes: Sequence[str],
        lms_ratio: float,
    ) -> None:
        self._rewriter, self._examples, self._neutral = rewriter, examples, neutral
        self._columns = [examples.classes.index(name) for name in target_classes]
        self._ratio = lms_ratio
        self._base = [neutral.score(step) for step in range(len(neutral))]
        self._base_scores = sum(self._base[1:], self._base[0])

    def base(self) -> Measured:
        """The base model itself, on all tokens."""
        return self._measured(self._base_scores, self._examples.measure(), complete=True)

    def candidate(
        self, update: Tensor, learning_rate: float, *, full: bool = False, failing_too: bool = True
    ) -> Measured:
        """One candidate; `full` scores all tokens, else only as many as its verdict needs.

        Without `failing_too` the probabilities of a candidate that does not keep the LMS are left out.
        """
        with self._rewriter.rewritten(update, learning_rate):
            scores = self._neutral.score(0)
            step = 1
            while step < len(self._neutral) and (full or self._undecided(scores)):
                scores = scores + self._neutral.score(step)
                step += 1
            wanted = failing_too or self._passes(scores)
            probabilities = self._examples.measure() if wanted else None
        return self._measured(scores, probabilities, complete=step == len(self._neutral))

    def _passes(self, scores: TokenScores) -> bool:
        """An LMS of 0 cannot be kept: with such a base model nothing passes."""
        return self._base_scores.lms > 0 and scores.against(self._base_scores, self._ratio)[0] >= 0

    def _undecided(self, scores: TokenScores) -> bool:
        """Whether the paired difference to the threshold is within two standard errors of 0."""
        difference, error = scores.against(self._base_scores, self._ratio)
        return abs(difference) <= 2 * error

    def _measured(self, scores: TokenScores, probabilities: np.ndarray | None, *, complete: bool) -> Measured:
        difference, error = scores.against(self._base_scores)
        gap = None
        if probabilities is not None:
            first, second = (probabilities[:, column] for column in self._columns)
            gap = float(np.abs(first - second).mean())
        return Measured(
            lms=scores.lms,
            lms_se=scores.lms_se,
            tokens=len(scores.correct),
            cross_entropy=float(scores.cross_entropy.mean()),
            difference=difference,
            difference_se=error,
            passes=self._passes(scores),
            complete=complete,
            probabilities={} if probabilities is None else self._examples.means(probabilities),
            gap=gap,
            n=len(self._examples),
        )


@dataclass(frozen=True)
class Chosen:
    """The outcome of one aim: the candidate with what was measured for it, or the reason why there is none."""

    candidate: Candidate | None
    measured: Measured | None
    reason: str | None


class Grid:
    """The candidates of one decoder, measured once each on the split that chooses."""

    def __init__(
        self,
        evaluator: SplitEvaluator,
        base: Measured,
        update: Update,
        *,
        lms_ratio: float,
        failing_too: bool = True,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        self._evaluator, self._update, self._ratio = evaluator, update, lms_ratio
        self._failing_too, self._progress = failing_too, progress
        self._updates: dict[float, Tensor] = {}
        self.base = base
        self.measured: dict[Candidate, Measured] = {}

    def update(self, feature_factor: float) -> Tensor:
        """The decoder's update for a feature factor, `[input_dim]`, computed once."""
        if feature_factor not in self._updates:
            self._updates[feature_factor] = self._update(feature_factor)
        return self._updates[feature_factor]

    def measure(self, candidate: Candidate, *, full: bool = False) -> Measured:
        """Measure a candidate, or look it up; `full` scores all tokens."""
        known = self.measured.get(candidate)
        if known is None or (full and not known.complete):
            update = self.update(candidate.feature_factor)
            known = self._evaluator.candidate(update, candidate.learning_rate, full=full, failing_too=self._failing_too)
            self.measured[candidate] = known
            self._progress()
        return known

    def of(self, aim: Aim) -> list[tuple[Candidate, Measured]]:
        """The measured candidates that an aim chooses from."""
        return [(c, m) for c, m in self.measured.items() if c.feature_factor in aim.feature_factors]

    def choose(self, aim: Aim, learning_rates: Sequence[float]) -> Chosen:
        """Measure the grid, choose, bisect the boundary where the choice lies at it, and choose again."""
        for factor in aim.feature_factors:
            for rate in learning_rates:
                self.measure(Candidate(factor, rate))
        chosen = self._confirmed(aim)
        if chosen is not None:
            self._bisect(chosen, aim)
            chosen = self._confirmed(aim)
        if chosen is None:
            return Chosen(None, None, reason(aim, self.of(aim), self.base, self._ratio))
        return Chosen(chosen, self.measured[chosen], None)

    def _confirmed(self, aim: Aim) -> Candidate | None:
        """The best candidate that still passes when all tokens are scored."""
        while (chosen := best(aim, self.of(aim), self.base)) is not None:
            if self.measured[chosen].complete:
                return chosen
            self.measure(chosen, full=True)
        return None

    def _bisect(self, chosen: Candidate, aim: Aim) -> None:
        high = boundary(chosen, self.of(aim))
        low = chosen.learning_rate
        for _ in range(BISECTIONS if high is not None else 0):
            assert high is not None
            middle = Candidate(chosen.feature_factor, between(low, high), refined=True)
            if self.measure(middle).passes:
                low = middle.learning_rate
            else:
                high = middle.learning_rate
