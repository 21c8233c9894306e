"""The decoder evaluation: candidates are measured on the rewritten model, and the base model stays as it is."""

import numpy as np
import pytest
import torch
from tiny import CLASSES, NEUTRAL_TEXTS, learnt_masked_lm, random_space, tiny_examples

from gradiend.choice import Candidate, aims
from gradiend.decoding import Grid, SplitEvaluator
from gradiend.lms import NeutralText
from gradiend.probabilities import ClassProbabilities, surface_forms
from gradiend.rewriting import Rewriter

FACTORS = {"female": 1.0, "male": -1.0}


class Setup:
    """An evaluator over the tiny model, and a direction that strengthens the first class."""

    def __init__(self, ratio: float = 0.9) -> None:
        self.base = learnt_masked_lm()
        self.space = random_space(self.base, 0.5)
        examples = tiny_examples().query("split == 'validation'")
        self.examples = ClassProbabilities(self.base, examples, surface_forms(examples), CLASSES, 4)
        self.neutral = NeutralText(
            self.base, range(400), [NEUTRAL_TEXTS[i % 4] for i in range(400)], skip=[()] * 400, seed=0, batch_size=64
        )
        rewriter = Rewriter(self.base.parameters(), self.space)
        self.evaluator = SplitEvaluator(rewriter, self.examples, self.neutral, CLASSES, ratio)
        generator = torch.Generator().manual_seed(0)
        self.direction = torch.randn(self.space.input_dim, generator=generator)

    def grid(self) -> Grid:
        return Grid(self.evaluator, self.evaluator.base(), lambda factor: factor * self.direction, lms_ratio=0.9)


def test_a_candidate_has_the_numbers_of_a_model_rewritten_by_hand() -> None:
    setup, other = Setup(), learnt_masked_lm()
    got = setup.evaluator.candidate(setup.direction, 0.05, full=True)
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
    setup.evaluator.candidate(setup.direction, 7.0)
    assert all(torch.equal(parameter, before[name]) for name, parameter in setup.base.parameters().items())


def test_a_learning_rate_of_zero_is_the_base_model() -> None:
    setup = Setup()
    nothing, base = setup.evaluator.candidate(setup.direction, 0.0, full=True), setup.evaluator.base()
    assert nothing.probabilities == base.probabilities
    assert (nothing.lms, nothing.difference, nothing.gap) == (base.lms, 0.0, base.gap)


def test_clear_cases_are_decided_by_the_first_tokens() -> None:
    setup = Setup()
    ruined, same = (setup.evaluator.candidate(setup.direction, rate) for rate in (100.0, 0.0))
    assert not ruined.passes and same.passes
    assert ruined.tokens < 1100 and same.tokens < 1100 < len(setup.neutral.table)


def test_the_chosen_candidate_is_scored_on_all_tokens_and_passes_there() -> None:
    setup = Setup()
    grid = setup.grid()
    for one in aims(CLASSES, ["strengthen", "weaken", "balance"], FACTORS):
        chosen = grid.choose(one, [0.5, 0.1, 0.02])
        assert (chosen.candidate is None) == (chosen.measured is None) == (chosen.reason is not None)
        if chosen.measured is not None:
            assert chosen.measured.complete and chosen.measured.passes
            assert one.value(chosen.measured) > one.value(grid.base)


def test_the_boundary_is_bisected_four_times_where_the_choice_lies_at_it() -> None:
    bisected = 0
    for one in aims(CLASSES, ["strengthen", "weaken"], FACTORS):
        grid = Setup().grid()
        chosen = grid.choose(one, [100.0, 0.01])
        (factor,) = one.feature_factors
        assert [grid.measured[Candidate(factor, rate)].passes for rate in (0.01, 100.0)] == [True, False]
        refined = sorted(c.learning_rate for c in grid.measured if c.refined)
        assert (len(refined) == 4) == (chosen.candidate is not None)
        if refined:
            bisected += 1
            assert all(0.01 < rate < 100.0 for rate in refined) and min(abs(rate - 1.0) for rate in refined) < 1e-9
            assert chosen.candidate in grid.measured
    assert bisected


def test_a_base_model_that_predicts_nothing_lets_nothing_pass() -> None:
    setup = Setup()
    torch.nn.init.zeros_(setup.base.model.get_parameter("cls.predictions.bias"))
    setup.base.model.get_parameter("cls.predictions.bias")[0] = 1e6  # always predicts padding
    evaluator = SplitEvaluator(
        Rewriter(setup.base.parameters(), setup.space), setup.examples, setup.neutral, CLASSES, 0.9
    )
    grid = Grid(evaluator, evaluator.base(), lambda factor: factor * setup.direction, lms_ratio=0.9)
    chosen = grid.choose(aims(CLASSES, ["strengthen"], FACTORS)[0], [0.1])
    assert chosen.candidate is None and "an LMS of 0 cannot be kept" in (chosen.reason or "")


def test_candidates_are_measured_once() -> None:
    grid = Setup().grid()
    first = grid.measure(Candidate(1.0, 0.1))
    assert grid.measure(Candidate(1.0, 0.1)) is first


def test_probabilities_of_failing_candidates_can_be_left_out() -> None:
    setup = Setup(ratio=1.0)
    failing = setup.evaluator.candidate(setup.direction, 100.0, failing_too=False)
    assert failing.passes or (failing.probabilities == {} and failing.gap is None)
