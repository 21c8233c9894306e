"""Training one GRADIEND: steps, evaluation, best weights, normalisation, supervised modes, errors."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from training_rows import FIRST, SECOND, small_space, store, train_settings, transitions

from gradiend.course import Evaluation, encode_rows
from gradiend.errors import GradiendError
from gradiend.gradients.rows import Rows, StoredRows, source_of
from gradiend.labels import labels
from gradiend.model import ACTIVATIONS, ODD_ACTIVATIONS, GradiendConfig, GradiendModel
from gradiend.settings import Train
from gradiend.training import Trained, learning_rate, normalise, train

BY_LOSS: dict[str, Any] = {"convergent_metric": "loss", "convergent_score_threshold": 1.0}


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> StoredRows:
    return store(tmp_path_factory.mktemp("train"), transitions(10, 7, neuter=3), seed=1)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> StoredRows:
    return store(tmp_path_factory.mktemp("validation"), transitions(12, 9, neuter=8), seed=2)


def trained(settings: Train, training: Rows, validation: Rows | None = None, seed: int = 0, **more: Any) -> Trained:
    return train(settings, small_space(), training, validation, seed, **more)


def same(one: GradiendModel, other: GradiendModel) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def untrained(settings: Train, seed: int) -> GradiendModel:
    config = GradiendConfig((FIRST, SECOND), latent_dim=settings.latent_dim)
    return GradiendModel(small_space(), config).initialise(seed)


def correlations(model: GradiendModel, rows: Rows, settings: Train, positions: np.ndarray) -> list[float]:
    """Pearson correlation of each latent, by scipy, on the rows at these positions."""
    signs = labels(rows.table.iloc[positions], settings.source, settings.target_classes)
    return [stats.pearsonr(latent, signs).statistic for latent in encode_rows(model, rows, positions).T]


@pytest.mark.parametrize("source", ["factual", "alternative", "diff"])
@pytest.mark.parametrize("seed", [0, 1])
def test_training_separates_classes_first_towards_plus_one(
    source: str, seed: int, training: StoredRows, validation: StoredRows
) -> None:
    result = trained(train_settings(source=source), training, validation, seed)
    assert result.training_score is not None
    assert result.training_score > 0.9
    assert result.model.config.correlation == result.training_score
    chosen = next(line for line in result.curves if line["step"] == result.best_step)
    assert abs(chosen["correlation"]) == result.training_score
    assert result.curves[-1]["loss"] < result.curves[1]["loss"]


def test_the_saved_correlation_is_that_of_the_saved_weights_on_the_in_training_rows(
    training: StoredRows, validation: StoredRows
) -> None:
    settings = train_settings(encoder_eval_balance=False, latent_dim=3)
    for seed in range(4):
        config = (model := trained(settings, training, validation, seed).model).config
        found = correlations(model, validation, settings, np.arange(len(validation.table)))
        assert config.normalized
        assert min(found) >= 0  # every latent is oriented by its own correlation
        assert config.correlation == pytest.approx(max(found))
        assert config.latent == int(np.argmax(found))


def test_without_normalisation_the_correlation_keeps_its_sign(training: StoredRows, validation: StoredRows) -> None:
    signs = set()
    for seed in range(4):
        plain = trained(train_settings(normalize_gradiend=False), training, validation, seed).model
        normal = trained(train_settings(), training, validation, seed).model
        assert plain.config.correlation is not None
        assert not plain.config.normalized
        assert normal.config.correlation == abs(plain.config.correlation)
        assert torch.equal(plain.decoder.bias, normal.decoder.bias)
        signs.add(math.copysign(1, plain.config.correlation))
    assert signs == {1.0, -1.0}


@given(
    seed=st.integers(0, 99),
    latent_dim=st.integers(1, 3),
    activation=st.sampled_from(sorted(ODD_ACTIVATIONS)),
    bias=st.booleans(),
    found=st.lists(st.one_of(st.none(), st.floats(-1, 1)), min_size=3, max_size=3),
    scale=st.floats(1e-3, 1e3),
)
def test_normalisation_leaves_decoder_of_encoder_unchanged_for_every_input(
    seed: int, latent_dim: int, activation: Any, bias: bool, found: list[float | None], scale: float
) -> None:
    config = GradiendConfig((FIRST, SECOND), latent_dim=latent_dim, activation_encoder=activation, bias_decoder=bias)
    model = GradiendModel(small_space(), config).initialise(seed)
    x = scale * torch.randn(5, small_space().input_dim, generator=torch.Generator().manual_seed(seed))
    before, latents = model(x).detach(), model.encode(x).detach()
    normalise(model, Evaluation(tuple(found[:latent_dim]), {}))
    signs = torch.tensor([-1.0 if value is not None and value < 0 else 1.0 for value in found[:latent_dim]])
    assert torch.allclose(model.encode(x), signs * latents, rtol=1e-6, atol=0)
    assert torch.allclose(model(x), before, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - ODD_ACTIVATIONS))
def test_an_activation_that_is_not_odd_is_not_normalised_but_warned_about(
    activation: str, training: StoredRows, validation: StoredRows
) -> None:
    result = trained(train_settings(activation_encoder=activation), training, validation)
    plain = trained(train_settings(activation_encoder=activation, normalize_gradiend=False), training, validation)
    assert same(result.model, plain.model)
    assert not result.model.config.normalized
    assert any(f"'{activation}' is not odd" in warning for warning in result.warnings)
    assert not any("not odd" in warning for warning in plain.warnings)


def test_steps_are_epochs_of_rounds_or_exactly_max_steps(training: StoredRows) -> None:
    assert trained(train_settings(num_train_epochs=2), training).steps == 2 * 10 * 3
    result = trained(train_settings(num_train_epochs=1, max_steps=71), training)
    assert result.steps == 71
    assert result.curves[-1]["step"] == 71
    assert result.curves[-1]["epoch"] == pytest.approx(71 / 30)


def test_records_are_at_step_0_every_eval_steps_and_the_last_step(training: StoredRows, validation: StoredRows) -> None:
    result = trained(train_settings(max_steps=25, eval_steps=10), training, validation)
    assert [line["step"] for line in result.curves] == [0, 10, 20, 25]
    assert result.curves[0]["loss"] is None
    assert result.best_step in (10, 20, 25)
    assert set(result.curves[0]["mean_by_class"]) == {FIRST, SECOND, "neuter"}
    assert [line["step"] for line in trained(train_settings(max_steps=20), training, validation).curves] == [0, 10, 20]


def test_the_best_weights_are_those_that_training_had_at_the_best_step(
    training: StoredRows, validation: StoredRows
) -> None:
    """A training that ends at the best step ends with the same weights."""
    settings = {"learning_rate": 0.3, "normalize_gradiend": False, "eval_steps": 5}
    for seed in range(3):
        long = trained(train_settings(max_steps=40, **settings), training, validation, seed)
        best = max(abs(line["correlation"] or 0) for line in long.curves[1:])
        assert long.training_score == best
        last = trained(
            train_settings(max_steps=long.best_step, save_strategy="no", **settings), training, validation, seed
        )
        assert same(long.model, last.model)


def test_by_loss_the_best_step_has_the_lowest_mean_loss(training: StoredRows, validation: StoredRows) -> None:
    result = trained(train_settings(learning_rate=0.3, **BY_LOSS), training, validation)
    lowest = min(result.curves[1:], key=lambda line: line["loss"])
    assert result.best_step == lowest["step"]
    assert result.loss == lowest["loss"]
    assert result.training_score == -lowest["loss"]


@pytest.mark.parametrize("off", [{"do_eval": False}, {"eval_strategy": "no"}])
def test_without_evaluation_the_last_step_is_taken_and_normalised_on_training_rows(
    off: dict[str, Any], training: StoredRows, validation: StoredRows
) -> None:
    settings = train_settings(**off)
    result = trained(settings, training, validation)
    assert result.best_step == result.steps
    assert result.training_score is None
    assert [line["correlation"] for line in result.curves] == [None] * len(result.curves)
    assert result.loss == result.curves[-1]["loss"]
    assert (result.judged, result.judged_in_training) == (len(training.table), False)
    found = correlations(result.model, training, settings, np.arange(len(training.table)))
    assert result.model.config.correlation == pytest.approx(found[0])
    assert found[0] > 0.5


def test_save_strategy_no_keeps_the_last_step_and_still_evaluates(training: StoredRows, validation: StoredRows) -> None:
    result = trained(train_settings(save_strategy="no", learning_rate=0.3), training, validation)
    assert result.best_step == result.steps
    assert result.training_score == abs(result.curves[-1]["correlation"])


def test_evaluating_does_not_change_the_training(training: StoredRows, validation: StoredRows) -> None:
    often = trained(train_settings(eval_steps=1, save_strategy="no", normalize_gradiend=False), training, validation)
    never = trained(train_settings(do_eval=False, normalize_gradiend=False), training)
    assert same(often.model, never.model)


def test_a_seed_repeats_itself_and_another_seed_differs(training: StoredRows, validation: StoredRows) -> None:
    first, again, other = (trained(train_settings(), training, validation, seed) for seed in (3, 3, 4))
    assert same(first.model, again.model)
    assert first.curves == again.curves
    assert not same(first.model, other.model)


def test_the_data_seed_changes_the_evaluation_rows_and_not_the_training(
    training: StoredRows, validation: StoredRows
) -> None:
    capped = {"encoder_eval_train_max_size": 9, "save_strategy": "no", "normalize_gradiend": False}
    one, other = (trained(train_settings(seed=seed, **capped), training, validation) for seed in (0, 1))
    assert one.judged == other.judged == 9
    assert same(one.model, other.model)
    assert [line["correlation"] for line in one.curves] != [line["correlation"] for line in other.curves]


def test_supervised_encoder_trains_the_encoder_alone_towards_the_labels(
    training: StoredRows, validation: StoredRows
) -> None:
    settings = train_settings(supervised_encoder=True, num_train_epochs=20)
    result, start = trained(settings, training, validation, 2), untrained(settings, 2)
    assert torch.equal(result.model.decoder.weight, start.decoder.weight)
    assert torch.equal(result.model.decoder.bias, start.decoder.bias)
    assert not torch.equal(result.model.encoder.weight, start.encoder.weight)
    assert result.model.config.supervised == "encoder"
    assert not result.model.config.normalized
    assert result.curves[-1]["mean_by_class"][FIRST] > 0.6
    assert result.curves[-1]["mean_by_class"][SECOND] < -0.6


def test_supervised_decoder_trains_the_decoder_alone_towards_the_target_of_the_label(
    training: StoredRows, validation: StoredRows
) -> None:
    settings = train_settings(supervised_decoder=True, num_train_epochs=100, learning_rate=0.03, **BY_LOSS)
    result, start = trained(settings, training, validation, 2), untrained(settings, 2)
    assert torch.equal(result.model.encoder.weight, start.encoder.weight)
    assert result.model.config.supervised == "decoder"
    assert result.model.config.correlation is None
    assert all(line["correlation"] is None for line in result.curves)
    assert result.training_score == -min(line["loss"] for line in result.curves[1:])
    assert result.judged == 0
    speaks_for_first = [i for i, name in enumerate(training.table["alternative_class"]) if name == FIRST]
    wanted = torch.stack([source_of(*training.pair(i), "diff") for i in speaks_for_first]).mean(0)
    assert torch.nn.functional.cosine_similarity(result.model.update(1.0), wanted, dim=0) > 0.98


@pytest.mark.parametrize("source", ["factual", "alternative", "diff"])
def test_auto_learning_rate_is_a_tenth_of_the_inverse_mean_l1_norm_of_rows_that_are_not_0(
    source: str, tmp_path: Path
) -> None:
    rows = store(tmp_path, transitions(4, 3, neuter=2), scale=1e-6, noise=0.0)
    norms = np.array([float(source_of(*rows.pair(i), source).abs().double().sum()) for i in range(9)])
    settings = train_settings(source=source, learning_rate="auto", max_steps=3)
    assert learning_rate(settings, rows) == pytest.approx(0.1 / norms[norms > 0].mean(), rel=1e-5)
    assert trained(settings, rows).learning_rate == learning_rate(settings, rows)
    assert (norms == 0).sum() == (2 if source == "diff" else 0)


def test_auto_learning_rate_of_rows_that_are_all_0_is_an_error(tmp_path: Path) -> None:
    rows = store(tmp_path, transitions(2, 2), scale=0.0)
    with pytest.raises(GradiendError, match="learning_rate auto: every alternative gradient of the 4 rows is 0"):
        learning_rate(train_settings(learning_rate="auto"), rows)


def test_a_diverging_training_is_an_error_that_names_step_row_and_learning_rate(training: StoredRows) -> None:
    settings = train_settings(learning_rate=1e30, activation_encoder="id")
    where = r"seed 7: the loss is (nan|inf) at step \d+, training row \d+ \(\w+ -> \w+\)"
    with pytest.raises(GradiendError, match=where + r": lower learning_rate \(it is 1e\+30\)"):
        trained(settings, training, seed=7)


def test_weights_that_overflow_in_the_very_last_step_are_an_error(training: StoredRows) -> None:
    settings = train_settings(learning_rate=3e38, weight_decay=10, max_steps=1)
    with pytest.raises(GradiendError, match=r"is not finite after step 1, .*lower learning_rate \(it is 3e\+38\)"):
        trained(settings, training)


def test_a_weight_decay_that_is_to_blame_is_named_beside_the_learning_rate(training: StoredRows) -> None:
    settings = train_settings(weight_decay=1e10, activation_encoder="id")
    with pytest.raises(GradiendError, match=r"lower learning_rate \(it is .*\) or weight_decay \(it is 1e\+10\)"):
        trained(settings, training)


def test_a_saturated_encoder_is_not_an_error(training: StoredRows, validation: StoredRows) -> None:
    result = trained(train_settings(learning_rate=100.0, weight_decay=0, max_steps=30), training, validation)
    encoded = encode_rows(result.model, validation, np.arange(len(validation.table)))
    assert np.abs(encoded).min() > 1 - 1e-12
    assert result.loss is not None


def test_rows_that_encode_to_one_value_give_null_and_a_warning(tmp_path: Path, training: StoredRows) -> None:
    constant = store(tmp_path, transitions(5, 5), scale=0.0)
    result = trained(train_settings(), training, constant)
    assert result.best_step == result.steps
    assert result.training_score is None
    assert result.model.config.correlation is None
    assert not result.model.config.normalized
    assert any("no correlation" in warning for warning in result.warnings)


def test_the_model_says_what_made_it(training: StoredRows) -> None:
    config = trained(train_settings(source="diff"), training, seed=9, about={"data_digest": "abc"}).model.config
    assert config.made_by["seed"] == 9
    assert config.made_by["data_digest"] == "abc"
    assert config.made_by["base_model"] == "tiny"
    assert config.made_by["arguments"]["source"] == config.source == "diff"
    assert config.target_classes == (FIRST, SECOND)
