"""What a killed decoder evaluation has measured is not measured again, and nothing else changes."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from killing import killed_after
from test_decoding import FACTORS, Setup

import gradiend.partial
from gradiend.choice import aims, candidates_of
from gradiend.decoding import Chosen, Grid
from gradiend.lms import NeutralText, TokenScores
from gradiend.measurements import Measurements
from gradiend.partial import Partial
from gradiend.stages.command import _stoppable, _Stopped

RATES = [1.0, 0.3, 0.1, 0.03]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps of tokens that were scored, by whichever evaluator."""
    steps: list[int] = []
    score = NeutralText.score

    def noted(self: NeutralText, step: int) -> TokenScores:
        steps.append(step)
        return score(self, step)

    monkeypatch.setattr(NeutralText, "score", noted)
    return steps


@pytest.fixture
def saved_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradiend.partial, "SECONDS", 0.0)
    monkeypatch.setattr(gradiend.partial, "LARGEST_SHARE", float("inf"))


AIMS = aims(list(FACTORS), ["strengthen", "weaken"], FACTORS, [])


def choices(measurements: Measurements | None = None) -> tuple[list[Chosen], Grid]:
    grid = Setup(measurements=measurements).grid()
    return [grid.choose(aim, RATES) for aim in AIMS], grid


def told(found: tuple[list[Chosen], Grid]) -> list[object]:
    """All numbers of a choice."""
    return [(one.candidate, one.measured, one.reason, found[1].of(one)) for one in found[0]]


@pytest.mark.parametrize("count", [1, 4, 11])
def test_a_killed_choice_goes_on_to_the_same_one(
    count: int, tmp_path: Path, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = told(choices())
    total = len(measured)
    with killed_after(count, monkeypatch):
        choices(Measurements(Partial(tmp_path / "state", "mine")))
    before = len(measured) - total
    again = told(choices(Measurements(Partial(tmp_path / "state", "mine"))))
    assert again == undisturbed
    assert len(measured) == 2 * total, "each step is scored once, before the kill or after it"
    assert 0 < before < total


@pytest.mark.parametrize("whole", [True, False])
def test_a_grid_that_others_have_measured_in_shares_gives_the_same_choice(
    whole: bool, tmp_path: Path, measured: list[int]
) -> None:
    undisturbed = told(choices())
    alone = len(measured)
    shares = [Partial(tmp_path / f"share-{i}", "mine") for i in range(3)]
    for i, share in enumerate(shares):
        measurements = Measurements()
        grid = Setup(measurements=measurements).grid()
        for candidate in candidates_of(AIMS, RATES)[i::3]:
            grid.measure(candidate, whole=whole)
        measurements.finish(share)
    ahead = len(measured)
    assert told(choices(Measurements(None, *shares))) == undisturbed
    assert len(measured) - ahead < alone, "points between two candidates, and what only the last choice asks for"


def test_shares_of_another_identity_are_not_used(tmp_path: Path, measured: list[int]) -> None:
    measurements = Measurements()
    measurements("a", lambda: np.ones(3))
    measurements.finish(Partial(tmp_path / "share", "mine"))
    assert Measurements(None, Partial(tmp_path / "share", "yours"))("a", lambda: np.zeros(3)).tolist() == [0, 0, 0]


def test_a_signal_waits_until_what_is_measured_is_saved(tmp_path: Path) -> None:
    def told_to_stop() -> np.ndarray:
        os.kill(os.getpid(), signal.SIGTERM)
        return np.ones(3)

    with pytest.raises(_Stopped), _stoppable():
        Measurements(Partial(tmp_path / "state", "mine"))("a", told_to_stop)
    assert Measurements(Partial(tmp_path / "state", "mine"))("a", never()).tolist() == [1, 1, 1]


def test_measurements_of_another_identity_are_not_used(tmp_path: Path, saved_always: None) -> None:
    Measurements(Partial(tmp_path / "state", "mine"))("a", lambda: np.ones(3))
    assert Measurements(Partial(tmp_path / "state", "yours"))("a", lambda: np.zeros(3)).tolist() == [0, 0, 0]


def test_a_job_that_is_done_leaves_no_state(tmp_path: Path, saved_always: None) -> None:
    measurements = Measurements(Partial(tmp_path / "state", "mine"))
    measurements("a", lambda: np.ones(3))
    assert (tmp_path / "state").exists()
    measurements.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_candidate_of_another_update_or_rate_is_another_one() -> None:
    setup = Setup()
    trials = [
        setup.evaluator.trial(update, rate)
        for update, rate in ((setup.direction, 0.1), (-setup.direction, 0.1), (setup.direction, 0.2))
    ]
    lms = [trial.complete().measured.cross_entropy for trial in trials]
    assert len(set(lms)) == 3


def never() -> Callable[[], np.ndarray]:
    def measure() -> np.ndarray:
        raise AssertionError("it was measured already")

    return measure
