"""Decoder evaluation: what rewriting the base model with each candidate does, and which one is chosen."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from gradiend.choice import Aim, Candidate, Measured, between, candidates_of, neighbour, reason
from gradiend.lms import NeutralText, TokenScores
from gradiend.measurements import Measurements
from gradiend.probabilities import ClassProbabilities
from gradiend.rewriting import Rewriter

BISECTIONS = 4
Update = Callable[[float], Tensor]  # feature factor -> [input_dim]
Rewritten = Callable[[], AbstractContextManager[None]]


class SplitEvaluator:
    """Measures candidates on the examples and neutral texts of one split, against the base model."""

    def __init__(
        self,
        rewriter: Rewriter,
        examples: ClassProbabilities,
        neutral: NeutralText,
        target_classes: Sequence[str],
        lms_ratio: float,
        measurements: Measurements | None = None,
        name: str = "",
    ) -> None:
        """`measurements`, which may be shared with other splits' evaluators of other names, keep what is measured."""
        self.rewriter, self.examples, self.neutral, self.lms_ratio = rewriter, examples, neutral, lms_ratio
        self.steps, self._measurements, self._name = len(neutral), measurements or Measurements(), name
        self._columns = [examples.classes.index(name) for name in target_classes]
        self._base_scores = self.scores("base", range(len(neutral)), nullcontext)
        self.base = self.measured(self._base_scores, self.probabilities("base", nullcontext))

    def brief(self, steps: int) -> "SplitEvaluator":
        """The same, but no candidate is scored on more steps of tokens than these."""
        other = copy.copy(self)
        other.steps = min(steps, self.steps)
        return other

    def trial(self, update: Tensor, learning_rate: float) -> "Trial":
        """A candidate, base model + learning_rate * update `[input_dim]`, of which nothing is measured yet."""
        return Trial(self, update, learning_rate)

    def scores(self, model: str, steps: range, rewritten: Rewritten) -> TokenScores:
        """The scores of a model, known by that name, on some steps of tokens; `rewritten` makes it for a while."""
        found = [self._scores(f"{self._name}/{model}/{step}", step, rewritten) for step in steps]
        return sum(found[1:], found[0])

    def probabilities(self, model: str, rewritten: Rewritten) -> np.ndarray:
        """Its probabilities, `[examples, classes]`."""

        def measure() -> np.ndarray:
            with rewritten():
                return self.examples.measure()

        return self._measurements(f"{self._name}/{model}/probabilities", measure)

    def _scores(self, name: str, step: int, rewritten: Rewritten) -> TokenScores:
        def measure() -> np.ndarray:
            with rewritten():
                scores = self.neutral.score(step)
            return np.stack([scores.correct, scores.cross_entropy])

        return self.neutral.kind(*self._measurements(name, measure))

    def passes(self, scores: TokenScores) -> bool:
        """Whether the scores keep `lms_ratio` of the base model's LMS. One of 0 cannot be kept: then nothing passes."""
        return self._base_scores.lms > 0 and scores.against(self._base_scores, self.lms_ratio)[0] >= 0

    def undecided(self, scores: TokenScores) -> bool:
        """Whether the paired difference to the threshold is within two standard errors of 0."""
        difference, error = scores.against(self._base_scores, self.lms_ratio)
        return abs(difference) <= 2 * error

    def measured(self, scores: TokenScores, probabilities: np.ndarray | None) -> Measured:
        """What the scores and the probabilities, `[examples, classes]`, say."""
        difference, error = scores.against(self._base_scores)
        gap = None
        if probabilities is not None:
            first, second = (probabilities[:, column] for column in self._columns)
            gap = float(np.abs(first - second).mean())
        return Measured(
            lms=scores.lms,
            lms_se=scores.lms_se,
            tokens=len(scores),
            cross_entropy=float(scores.cross_entropy.mean()),
            difference=difference,
            difference_se=error,
            passes=self.passes(scores),
            complete=len(scores) == len(self._base_scores),
            probabilities={} if probabilities is None else self.examples.means(probabilities),
            gap=gap,
            n=len(self.examples),
        )


class Trial:
    """One candidate on one split: each forward pass is made when something depends on it, and once."""

    def __init__(self, evaluator: SplitEvaluator, update: Tensor, learning_rate: float) -> None:
        self._evaluator, self._update, self._learning_rate = evaluator, update, learning_rate
        self._scores: TokenScores | None = None
        self._steps = 0
        self._probabilities: np.ndarray | None = None
        content = hashlib.sha256(np.ascontiguousarray(update.cpu().numpy()).data)
        content.update(float(learning_rate).hex().encode())
        self._name = content.hexdigest()[:16]

    @property
    def measured(self) -> Measured:
        """What is known so far, and the LMS on at least the first step of tokens."""
        return self._evaluator.measured(self._scored(1), self._probabilities)

    def with_probabilities(self) -> "Trial":
        """The same trial, its probabilities measured."""
        if self._probabilities is None:
            self._probabilities = self._evaluator.probabilities(self._name, self._rewritten)
        return self

    def settled(self) -> "Trial":
        """The same trial, scored on as many tokens as its verdict needs."""
        while self._evaluator.undecided(self._scored(1)) and self._steps < self._evaluator.steps:
            self._scored(self._steps + 1)
        return self

    def complete(self) -> "Trial":
        """The same trial, scored on all tokens."""
        self._scored(self._evaluator.steps)
        return self

    def fails(self) -> bool:
        """Whether the tokens scored so far already say that it does not keep the LMS."""
        scores = self._scored(1)
        return not self._evaluator.passes(scores) and (
            self._steps == self._evaluator.steps or not self._evaluator.undecided(scores)
        )

    def passes(self) -> bool:
        """Whether it keeps the LMS on as many tokens as that verdict needs."""
        return self.settled().measured.passes

    def keeps_lms(self) -> bool:
        """Whether it keeps the LMS on all tokens; a clear failure is seen earlier."""
        while not self.fails() and self._steps < self._evaluator.steps:
            self._scored(self._steps + 1)
        return not self.fails()

    def _scored(self, steps: int) -> TokenScores:
        """The scores of at least that many steps of tokens."""
        if self._scores is None or self._steps < steps:
            new = self._evaluator.scores(self._name, range(self._steps, steps), self._rewritten)
            self._scores = new if self._scores is None else self._scores + new
            self._steps = steps
        return self._scores

    def _rewritten(self) -> AbstractContextManager[None]:
        return self._evaluator.rewriter.rewritten(self._update, self._learning_rate)


@dataclass(frozen=True)
class Chosen:
    """The outcome of one aim: the candidate with what was measured for it, or the reason why there is none.

    `weighed` are all candidates from which it was chosen.
    """

    candidate: Candidate | None
    measured: Measured | None
    reason: str | None
    weighed: tuple[Candidate, ...]


class Grid:
    """The candidates of one decoder on the split that chooses; each is measured as far as the choice needs it."""

    def __init__(self, evaluator: SplitEvaluator, update: Update) -> None:
        self._evaluator, self._update = evaluator, update
        self._updates: dict[float, Tensor] = {}
        self.trials: dict[Candidate, Trial] = {}
        self._progress: Callable[[], object] = lambda: None

    def update(self, feature_factor: float) -> Tensor:
        """The decoder's update for a feature factor, `[input_dim]`, computed once."""
        if feature_factor not in self._updates:
            self._updates[feature_factor] = self._update(feature_factor)
        return self._updates[feature_factor]

    def measure(self, candidate: Candidate, *, whole: bool) -> None:
        """Measure one ahead of the choice: the `whole` of what is told of it, or what decides on it."""
        trial = self._trial(candidate)
        if whole or not trial.fails():
            trial.with_probabilities().settled()

    def measure_all(self) -> None:
        """Measure what the choice did not need: every candidate's probabilities, and whether it keeps the LMS."""
        for trial in self.trials.values():
            trial.with_probabilities().settled()

    def of(self, chosen: Chosen) -> list[tuple[Candidate, Measured]]:
        """The candidates that were weighed, and what is known of them."""
        return [(candidate, self.trials[candidate].measured) for candidate in chosen.weighed]

    def choose(
        self, aim: Aim, learning_rates: Sequence[float], progress: Callable[[], object] = lambda: None
    ) -> Chosen:
        """Choose from the grid, bisect the boundary where the choice lies at it, and choose again.

        `progress` is called for every candidate that no earlier choice has tried.
        """
        self._progress = progress
        candidates = candidates_of([aim], learning_rates)
        chosen = self._best(aim, candidates, lambda trial: trial.passes())
        if chosen is not None:
            candidates += self._bisected(chosen, candidates)
            chosen = self._best(aim, candidates, lambda trial: trial.keeps_lms())
        if chosen is None:
            settled = [(candidate, self.trials[candidate].settled().measured) for candidate in candidates]
            return Chosen(
                None, None, reason(aim, settled, self._evaluator.base, self._evaluator.lms_ratio), tuple(candidates)
            )
        return Chosen(chosen, self.trials[chosen].measured, None, tuple(candidates))

    def _best(self, aim: Aim, candidates: Sequence[Candidate], keeps: Callable[[Trial], bool]) -> Candidate | None:
        """The candidate of the highest value above the base model's that `keeps` the LMS; ties to the smaller rate.

        Large rates first: until one keeps the LMS, that is what excludes the next one cheaply, then its value.
        """
        best, value = None, aim.value(self._evaluator.base)
        for candidate in sorted(candidates, key=lambda c: (-c.learning_rate, -c.feature_factor)):
            trial = self._trial(candidate)
            if best is None and trial.fails():
                continue
            own = aim.value(trial.with_probabilities().measured)
            if (own > value or (best is not None and own == value)) and keeps(trial):
                best, value = candidate, own
        return best

    def _bisected(self, chosen: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The points between the choice and a failing larger neighbour, if the boundary of the LMS lies there."""
        high = neighbour(chosen, candidates)
        if high is None or self._trial(high).passes():
            return []
        low, points = chosen, []
        for _ in range(BISECTIONS):
            middle = Candidate(chosen.feature_factor, between(low.learning_rate, high.learning_rate), refined=True)
            points.append(middle)
            if self._trial(middle).passes():
                low = middle
            else:
                high = middle
        return points

    def _trial(self, candidate: Candidate) -> Trial:
        if candidate not in self.trials:
            self.trials[candidate] = self._evaluator.trial(
                self.update(candidate.feature_factor), candidate.learning_rate
            )
            self._progress()
        return self.trials[candidate]
