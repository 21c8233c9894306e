"""A run that searches for its learning rate trains with it, and again only when the choice is another one."""

import json
from typing import Any

import pytest
from experiment import Experiment

SETTINGS: dict[str, Any] = {
    "training_arguments__learning_rate": "tune",
    "training_arguments__max_steps": 8,
    "training_arguments__max_seeds": 1,
    "training_arguments__min_convergent_seeds": 1,
}
TARGET = "out/seeds/seed_report.json"


@pytest.mark.long
def test_only_a_changed_choice_trains_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tuning")
    experiment = Experiment.new(folder, **SETTINGS, tuning__factors=[0.1, 1, 1000])
    experiment.run(TARGET)
    rate = json.loads(experiment.path("tuning", "learning_rate.json").read_text())["learning_rate"]
    training = json.loads(experiment.path("seeds", "seed_0", "training.json").read_text())
    assert (training["learning_rate"], training["arguments"]["learning_rate"]) == (rate, "tune")
    trials = experiment.table("tuning", "trials.parquet").set_index("factor")
    chosen = trials.index[trials["learning_rate"] == rate].item()
    assert trials["correlation"].max() - trials["correlation"][chosen] <= 0.005
    experiment.write(experiment.config(SETTINGS | {"tuning__factors": [1e-6, chosen]}))
    again = experiment.run(TARGET)
    assert "tune_learning_rate:" in again and "seed 0: 8 steps" not in again
    experiment.write(experiment.config(SETTINGS | {"tuning__factors": [3 * chosen]}))
    assert "seed 0: 8 steps" in experiment.run(TARGET)
    assert not experiment.planned()["train"]
