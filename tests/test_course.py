"""In-training evaluation, curves, and the best weights."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from training_rows import BOTH_WAYS, FIRST, SECOND, small_space, store, train_settings, transitions

from gradiend.course import Course, Evaluation, Point, Sample, encode_rows, strongest
from gradiend.errors import GradiendError
from gradiend.gradients.rows import StoredRows, source_of
from gradiend.model import GradiendConfig, GradiendModel

SOURCES = ("factual", "alternative", "diff")


@pytest.fixture
def rows(tmp_path: Path) -> StoredRows:
    return store(tmp_path, transitions(9, 6, neuter=5))


def new_model(**config: Any) -> GradiendModel:
    return GradiendModel(small_space(), GradiendConfig((FIRST, SECOND), **config)).initialise(0)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("latent_dim", [1, 3])
def test_encoded_rows_are_what_the_model_encodes_row_by_row(rows: StoredRows, source: Any, latent_dim: int) -> None:
    model, positions = new_model(source=source, latent_dim=latent_dim), np.array([7, 2, 3, 11])
    one_by_one = [model.encode(source_of(*rows.pair(i), source)).tolist() for i in positions]
    found = encode_rows(model, rows, positions)
    assert found.dtype == np.float64
    assert found.tolist() == [pytest.approx(wanted, abs=1e-6) for wanted in one_by_one]


@pytest.mark.parametrize("source", SOURCES)
def test_an_evaluation_is_pearson_by_latent_and_means_by_the_spoken_class(rows: StoredRows, source: Any) -> None:
    model, settings = new_model(source=source, latent_dim=2), train_settings(source=source, latent_dim=2)
    everything = np.arange(len(rows.table))
    sample = Sample.of(rows, everything, settings)
    encoded = encode_rows(model, rows, everything)
    spoken = rows.table["alternative_class" if source == "alternative" else "factual_class"]
    signs = spoken.map({FIRST: 1, SECOND: -1, "neuter": 0}).to_numpy()
    found = sample.evaluate(model)
    assert found.correlations == pytest.approx([stats.pearsonr(latent, signs).statistic for latent in encoded.T])
    assert found.correlation == max(found.correlations, key=lambda value: abs(value or 0))
    best = encoded[:, found.latent]
    assert found.mean_by_class == pytest.approx({n: best[spoken == n].mean() for n in (FIRST, SECOND, "neuter")})


def test_the_sample_is_balanced_and_capped_by_the_data_seed_alone(rows: StoredRows) -> None:
    settings = train_settings(encoder_eval_train_max_size=10, seed=5)
    sample = Sample.capped(rows, settings)
    assert rows.table["factual_class"].iloc[sample.positions].value_counts().to_dict() == {
        FIRST: 3,
        SECOND: 3,
        "neuter": 3,
    }
    assert len(Sample.capped(rows, train_settings(encoder_eval_balance=False)).positions) == 20
    assert len(Sample.capped(rows, train_settings(encoder_eval_max_size=4, encoder_eval_balance=False)).positions) == 4


def test_a_constant_encoding_has_no_correlation_but_means(rows: StoredRows) -> None:
    model = new_model()
    torch.nn.init.zeros_(model.encoder.weight)
    found = Sample.capped(rows, train_settings()).evaluate(model)
    assert found.correlation is None
    assert len(set(found.mean_by_class.values())) == 1


def test_the_encoded_value_is_the_latent_of_the_highest_absolute_correlation() -> None:
    assert strongest((0.2, -0.9, 0.9, None)) == 1
    assert strongest((None, None)) == 0
    assert strongest((None, 0.0)) == 1


def course_over(model: GradiendModel, points: list[tuple[float, float | None]], *, by_loss: bool, keep: bool) -> Course:
    """A course through records of mean loss and correlation; the weights are the number of the step."""
    course = Course(model, None, by_loss=by_loss, keep_best=keep)
    for step, (loss, correlation) in enumerate(points):
        torch.nn.init.constant_(model.encoder.weight, step)
        course._sample = Scripted(correlation)  # type: ignore[assignment]
        course.add(loss - 0.5)
        course.add(loss + 0.5)
        course.record(step, step / 4)
    return course


class Scripted:
    """A sample whose evaluation is known beforehand."""

    def __init__(self, correlation: float | None) -> None:
        self._correlation = correlation

    def evaluate(self, model: GradiendModel) -> Evaluation:
        return Evaluation((self._correlation,), {})


POINTS = [(0.0, 1.0), (3.0, 0.5), (1.0, -0.8), (2.0, 0.8), (1.0, None)]


@pytest.mark.parametrize(("by_loss", "keep", "best"), [(False, True, 2), (True, True, 2), (False, False, 4)])
def test_the_best_is_the_earliest_of_the_highest_score_after_step_0(by_loss: bool, keep: bool, best: int) -> None:
    model = new_model()
    chosen = course_over(model, POINTS, by_loss=by_loss, keep=keep).choose()
    assert chosen.step == best
    assert set(model.encoder.weight.detach().flatten().tolist()) == {best}


def test_without_any_correlation_the_last_step_is_taken() -> None:
    chosen = course_over(new_model(), [(1.0, None)] * 3, by_loss=False, keep=True).choose()
    assert (chosen.step, chosen.correlation) == (2, None)


def test_curves_have_the_mean_loss_since_the_record_before() -> None:
    course = course_over(new_model(), POINTS, by_loss=False, keep=False)
    assert [line["loss"] for line in course.curves] == [loss for loss, _ in POINTS]
    assert [line["correlation"] for line in course.curves] == [value for _, value in POINTS]
    assert course.curves[3].keys() == {"step", "epoch", "loss", "correlation", "mean_by_class"}
    assert course.curves[3]["epoch"] == 0.75


def test_scores_are_minus_the_loss_or_the_absolute_correlation_and_none_at_step_0() -> None:
    evaluation = Evaluation((-0.4,), {})
    assert Point(5, 2.0, evaluation).score(by_loss=True) == -2.0
    assert Point(5, 2.0, evaluation).score(by_loss=False) == 0.4
    assert Point(0, 2.0, evaluation).score(by_loss=False) is None
    assert Point(5, 2.0).score(by_loss=False) is None


def test_no_rows_give_no_correlation(tmp_path: Path) -> None:
    rows = store(tmp_path / "few", BOTH_WAYS)
    none = Sample.of(rows, np.empty(0, dtype=np.int64), train_settings())
    assert none.evaluate(new_model()) == Evaluation((None,), {})


def test_a_cap_that_leaves_no_row_of_any_class_is_an_error(tmp_path: Path) -> None:
    settings = dataclasses.replace(train_settings(), encoder_eval_train_max_size=1)
    with pytest.raises(GradiendError, match=r"encoder_eval_train_max_size.*: 1 leaves no example of 2 classes"):
        Sample.capped(store(tmp_path / "few", BOTH_WAYS), settings)
