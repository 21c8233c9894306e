"""The decoder evaluation: candidates are measured on the rewritten model, and the base model stays as it is."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_choice import BASE
from tiny import CLASSES, NEUTRAL_TEXTS, learnt_masked_lm, random_space, tiny_examples

from gradiend.choice import Candidate, Measured, aims
from gradiend.decoding import Grid, SplitEvaluator, Trial
from gradiend.examples.summary import surface_forms
from gradiend.lms import NeutralText
from gradiend.measurements import Measurements
from gradiend.probabilities import ClassProbabilities
from gradiend.rewriting import Rewriter

FACTORS = {"female": 1.0, "male": -1.0}


class Setup:
    """An evaluator over the tiny model, and a direction that strengthens the first class."""

    def __init__(self, ratio: float = 0.9, measurements: Measurements | None = None) -> None:
        self.base = learnt_masked_lm()
        self.space = random_space(self.base, 0.5)
        examples = tiny_examples().query("split == 'validation'")
        self.examples = ClassProbabilities(self.base, examples, surface_forms(examples), CLASSES, 4)
        self.neutral = NeutralText(
            self.base, range(400), [NEUTRAL_TEXTS[i % 4] for i in range(400)], skip=[()] * 400, seed=0, batch_size=64
        )
        rewriter = Rewriter(self.base.parameters(), self.space)
        self.evaluator = SplitEvaluator(rewriter, self.examples, self.neutral, CLASSES, ratio, measurements, "a")
        generator = torch.Generator().manual_seed(0)
        self.direction = torch.randn(self.space.input_dim, generator=generator)

    def grid(self) -> Grid:
        return Grid(self.evaluator, lambda factor: factor * self.direction)

    def trial(self, rate: float) -> Trial:
        return self.evaluator.trial(self.direction, rate)


def test_a_candidate_has_the_numbers_of_a_model_rewritten_by_hand() -> None:
    setup, other = Setup(), learnt_masked_lm()
    got = setup.trial(0.05).with_probabilities().complete().measured
    parameters = other.parameters()
    setup.space.write_(parameters, setup.space.gather(parameters) + 0.05 * setup.direction)
    examples = tiny_examples().query("split == 'validation'")
    by_hand = ClassProbabilities(other, examples, surface_forms(examples), CLASSES, 4)
    text = NeutralText(
        other, range(400), [NEUTRAL_TEXTS[i % 4] for i in range(400)], skip=[()] * 400, seed=0, batch_size=64
    )
    correct = np.concatenate([text.score(step).correct for step in range(len(text))])
    assert got.probabilities == pytest.approx(by_hand.means(by_hand.measure()))
    assert got.lms == pytest.approx(correct.mean())
    assert got.tokens == len(text.table)


def test_measuring_leaves_the_base_model_bit_for_bit_as_it_was() -> None:
    setup = Setup()
    before = {name: parameter.clone() for name, parameter in setup.base.parameters().items()}
    assert setup.trial(7.0).with_probabilities().complete().measured.complete
    assert all(torch.equal(parameter, before[name]) for name, parameter in setup.base.parameters().items())


def test_a_learning_rate_of_zero_is_the_base_model() -> None:
    setup = Setup()
    nothing, base = setup.trial(0.0).with_probabilities().complete().measured, setup.evaluator.base
    assert nothing.probabilities == base.probabilities
    assert (nothing.lms, nothing.difference, nothing.gap) == (base.lms, 0.0, base.gap)


def test_clear_cases_are_decided_by_the_first_tokens() -> None:
    setup = Setup()
    ruined, same = (setup.trial(rate).settled().measured for rate in (100.0, 0.0))
    assert not ruined.passes and same.passes
    assert ruined.tokens < 1100 and same.tokens < 1100 < len(setup.neutral.table)


def test_a_brief_evaluator_decides_by_its_first_tokens() -> None:
    setup = Setup()
    brief = setup.evaluator.brief(1).trial(setup.direction, 0.0)
    assert brief.keeps_lms() and not brief.complete().measured.complete
    assert brief.measured.tokens == len(setup.neutral.score(0))
    assert setup.trial(0.0).complete().measured.complete


def test_the_chosen_candidate_is_scored_on_all_tokens_and_passes_there() -> None:
    setup = Setup()
    grid = setup.grid()
    for one in aims(CLASSES, ["strengthen", "weaken", "balance"], FACTORS):
        chosen = grid.choose(one, [0.5, 0.1, 0.02])
        assert (chosen.candidate is None) == (chosen.measured is None) == (chosen.reason is not None)
        if chosen.measured is not None:
            assert chosen.measured.complete and chosen.measured.passes
            assert one.value(chosen.measured) > one.value(setup.evaluator.base)


def test_the_boundary_is_bisected_four_times_where_the_choice_lies_at_it() -> None:
    bisected = 0
    for one in aims(CLASSES, ["strengthen", "weaken"], FACTORS):
        grid = Setup().grid()
        chosen = grid.choose(one, [100.0, 0.01])
        (factor,) = one.feature_factors
        assert [grid.trials[Candidate(factor, rate)].measured.passes for rate in (0.01, 100.0)] == [True, False]
        refined = sorted(c.learning_rate for c in grid.trials if c.refined)
        assert (len(refined) == 4) == (chosen.candidate is not None)
        if refined:
            bisected += 1
            assert all(0.01 < rate < 100.0 for rate in refined) and min(abs(rate - 1.0) for rate in refined) < 1e-9
            assert chosen.candidate in grid.trials
    assert bisected


def test_a_base_model_that_predicts_nothing_lets_nothing_pass() -> None:
    setup = Setup()
    torch.nn.init.zeros_(setup.base.model.get_parameter("cls.predictions.bias"))
    setup.base.model.get_parameter("cls.predictions.bias")[0] = 1e6  # always predicts padding
    evaluator = SplitEvaluator(
        Rewriter(setup.base.parameters(), setup.space), setup.examples, setup.neutral, CLASSES, 0.9
    )
    grid = Grid(evaluator, lambda factor: factor * setup.direction)
    chosen = grid.choose(aims(CLASSES, ["strengthen"], FACTORS)[0], [0.1])
    assert chosen.candidate is None and "an LMS of 0 cannot be kept" in (chosen.reason or "")


class Scripted:
    """A trial whose numbers are given, and that notes what was asked of it."""

    def __init__(self, value: float, lms: str) -> None:
        self.value, self.lms, self.asked = value, lms, []
        self.kept = lms in ("keeps", "first doubtful, keeps")

    @property
    def measured(self) -> Measured:
        known = {"p_female_on_male": self.value} if "probabilities" in self.asked else {}
        return dataclasses.replace(BASE, passes=self.kept, probabilities=known)

    def with_probabilities(self) -> "Scripted":
        self.asked.append("probabilities")
        return self

    def settled(self) -> "Scripted":
        self.asked.append("settled")
        return self

    def fails(self) -> bool:
        self.asked.append("first tokens")
        return self.lms == "fails"

    def keeps_lms(self) -> bool:
        self.asked.append("all tokens")
        return self.kept

    passes = keeps_lms


class ScriptedEvaluator:
    """Hands out the scripted trials of the learning rates; what is between two of them fails."""

    base, lms_ratio = dataclasses.replace(BASE, probabilities={"p_female_on_male": 0.2}), 0.99

    def __init__(self, trials: dict[float, Scripted]) -> None:
        self.trials = trials

    def trial(self, update: float, learning_rate: float) -> Scripted:
        return self.trials.get(learning_rate) or Scripted(0.0, "fails")


def chosen_of(trials: dict[float, Scripted]) -> float | None:
    (aim,) = [a for a in aims(CLASSES, ["strengthen"], FACTORS) if a.target_class == "female"]
    grid = Grid(ScriptedEvaluator(trials), lambda factor: factor)
    candidate = grid.choose(aim, list(trials)).candidate
    return None if candidate is None else candidate.learning_rate


OUTCOMES = ("keeps", "fails", "first doubtful, keeps", "first doubtful, fails")


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), st.sampled_from(OUTCOMES)), min_size=1, max_size=6)
)
def test_the_lazy_choice_is_the_best_of_all_that_keep_the_lms(scripts: list[tuple[float, str]]) -> None:
    trials = {float(rate + 1): Scripted(*script) for rate, script in enumerate(scripts)}
    passing = [(trial.value, -rate) for rate, trial in trials.items() if trial.kept and trial.value > 0.2]
    assert chosen_of(trials) == (-max(passing)[1] if passing else None)


def test_what_cannot_win_is_not_finished() -> None:
    trials = {4.0: Scripted(0.9, "fails"), 3.0: Scripted(0.8, "keeps"), 2.0: Scripted(0.7, "keeps")}
    assert chosen_of(trials) == 3.0
    assert "probabilities" not in trials[4.0].asked
    assert "all tokens" in trials[3.0].asked
    assert trials[2.0].asked == ["probabilities"] * 2  # of the two rounds of the choice: no token is scored


def test_a_trial_makes_each_forward_pass_once(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup()
    passes = []
    monkeypatch.setattr(type(setup.base), "logits", counting(type(setup.base).logits, passes))
    trial = setup.trial(0.05)
    for _ in range(2):
        trial.with_probabilities().settled().complete()
        assert trial.keeps_lms() != trial.fails()
    neutral = sum(len(setup.neutral._batches[step]) for step in range(len(setup.neutral)))
    assert len(passes) == neutral + len(setup.examples._passes)


def counting(function, calls: list):
    def wrapper(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return wrapper
