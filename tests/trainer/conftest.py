"""A trainer whose training is done, on the tiny model."""

from pathlib import Path
from typing import Any

import pytest
from tiny import save_learnt_model, story_examples, story_neutral
from trainers import CLASSES, SETTINGS, MakeTrainer

from gradiend import ControlConfig, DecoderConfig, TextPredictionTrainer, TrainingArguments


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model."""
    return save_learnt_model(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="session")
def make_trainer(model: Path) -> MakeTrainer:
    """`make_trainer(experiment_dir, **training arguments)`: the same model and data, other arguments, some controls."""

    def made(
        experiment_dir: Path | None, *, run_id: str | None = None, controls: int | None = None, **changes: Any
    ) -> TextPredictionTrainer:
        folder = None if experiment_dir is None else str(experiment_dir)
        return TextPredictionTrainer(
            str(model),
            story_examples(),
            eval_neutral_data=story_neutral(),
            target_classes=CLASSES,
            run_id=run_id,
            training_args=TrainingArguments(experiment_dir=folder, **(SETTINGS | changes)),
            decoder=DecoderConfig(learning_rates=[0.3, 0.1]),
            control=ControlConfig(seeds=controls),
        )

    return made


@pytest.fixture(scope="session")
def trained(make_trainer: MakeTrainer, tmp_path_factory: pytest.TempPathFactory) -> TextPredictionTrainer:
    """A trainer that has trained; tests change nothing in its folder that is not made anew."""
    trainer = make_trainer(tmp_path_factory.mktemp("trained"), use_cache=True)
    trainer.train()
    return trainer
