"""When the intermediate models of a training are saved."""

from typing import Any

import pytest
import torch
from training_rows import small_space, store, train_settings, transitions

from gradiend.gradients.rows import Rows, StoredRows
from gradiend.model import GradiendModel
from gradiend.settings import Train
from gradiend.training import train


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> StoredRows:
    return store(tmp_path_factory.mktemp("train"), transitions(10, 7, neuter=3), seed=1)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> StoredRows:
    return store(tmp_path_factory.mktemp("validation"), transitions(12, 9, neuter=8), seed=2)


def weights(model: GradiendModel) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def checkpoints(settings: Train, training: Rows, validation: Rows | None) -> dict[int, dict[str, torch.Tensor]]:
    saved: dict[int, dict[str, torch.Tensor]] = {}
    train(settings, small_space(), training, validation, 0, save_checkpoint=lambda n, m: saved.update({n: weights(m)}))
    return saved


def test_save_strategy_steps_saves_every_save_steps_what_training_had_then(
    training: StoredRows, validation: StoredRows
) -> None:
    arguments: dict[str, Any] = {"max_steps": 20, "save_steps": 6, "normalize_gradiend": False}
    saved = checkpoints(train_settings(save_strategy="steps", save_only_best=False, **arguments), training, validation)
    assert list(saved) == [6, 12, 18]
    short = train(
        train_settings(**arguments | {"max_steps": 12}, save_strategy="no"), small_space(), training, validation, 0
    ).model
    assert all(torch.equal(saved[12][name], tensor) for name, tensor in weights(short).items())
    assert not checkpoints(train_settings(save_strategy="best", **arguments), training, validation)


def test_save_only_best_saves_only_what_is_better_than_what_was_saved(
    training: StoredRows, validation: StoredRows
) -> None:
    settings = train_settings(save_strategy="steps", save_steps=5, eval_steps=5, learning_rate=0.5, max_steps=60)
    curves = train(settings, small_space(), training, validation, 0).curves
    scores = {line["step"]: abs(line["correlation"] or 0) for line in curves}
    steps = range(5, 61, 5)
    wanted = [step for step in steps if all(scores[step] > scores[earlier] for earlier in steps if earlier < step)]
    assert list(checkpoints(settings, training, validation)) == wanted
    assert 1 <= len(wanted) < 12


def test_save_only_best_saves_nothing_new_until_there_is_a_better_evaluation(
    training: StoredRows, validation: StoredRows
) -> None:
    settings = train_settings(save_strategy="steps", save_steps=5, eval_steps=10, max_steps=30)
    saved = list(checkpoints(settings, training, validation))
    assert saved[:2] == [5, 10]  # at step 5 there is no evaluation yet
    assert not {15, 25} & set(saved)


def test_save_only_best_without_evaluation_saves_every_time_so_that_the_last_is_left(training: StoredRows) -> None:
    settings = train_settings(save_strategy="steps", save_steps=5, max_steps=20, do_eval=False)
    assert list(checkpoints(settings, training, None)) == [5, 10, 15, 20]
