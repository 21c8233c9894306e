"""Change after change in one folder: never is a result left that a fresh run into an empty folder would not make."""

import copy
import random
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from experiment import Experiment
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.long
RESULTS = ("data", "pruning", "gradients", "seeds", "model", "encoder", "decoder", "rewritten")
INPUTS = ("model", "examples.csv", "neutral.csv")
SETTINGS: dict[str, list[Any]] = {
    "training_arguments__learning_rate": ["auto", 0.001, 0.01],
    "training_arguments__source": ["factual", "alternative", "diff"],
    "training_arguments__target": ["factual", "alternative", "diff"],
    "training_arguments__latent_dim": [1, 2],
    "training_arguments__max_steps": [20, 40],
    "training_arguments__train_batch_size": [2, 3],
    "training_arguments__seed": [0, 1],
    "training_arguments__max_seeds": [1, 2, 3],
    "training_arguments__min_convergent_seeds": [1, None],
    "training_arguments__convergent_score_threshold": [-1.0, 0.99],
    "training_arguments__use_cached_gradients": [True, False],
    "training_arguments__add_identity_for_other_classes": [True, False],
    "training_arguments__pre_prune_config": [None, {"n_samples": 8, "topk": 0.5}, {"n_samples": 6, "topk": 0.25}],
    "training_arguments__post_prune_config": [None, {"topk": 0.5}, {"topk": 0.25, "part": "encoder-weight"}],
    "decoder__learning_rates": [[0.3, 0.1], [0.1, 0.03]],
    "decoder__lms_ratio": [0.99, 0.9],
    "decoder__shards": [1, 2],
    "shards": [1, 2],
    "target_classes": [["female", "male"], ["male", "female"], ["plural", "male"]],
}


def change_a_text(folder: Path, draw: random.Random) -> None:
    """One training example more or less."""
    examples = pd.read_csv(folder / "examples.csv")
    train = examples.index[examples["split"] == "train"]
    examples.drop(draw.choice(list(train))).to_csv(folder / "examples.csv", index=False)


def change_a_neutral_text(folder: Path, draw: random.Random) -> None:
    neutral = pd.read_csv(folder / "neutral.csv")
    neutral.drop(draw.choice(list(neutral.index))).to_csv(folder / "neutral.csv", index=False)


def change_a_weight(folder: Path, draw: random.Random) -> None:
    path = folder / "model" / "model.safetensors"
    weights = load_file(path)
    name = draw.choice([name for name in sorted(weights) if "layer.0" in name])
    weights[name] = weights[name] * (1 + draw.uniform(0.001, 0.01))
    save_file(weights, path, {"format": "pt"})


FILES = (change_a_text, change_a_neutral_text, change_a_weight)


def contents(experiment: Experiment) -> dict[str, bytes]:
    """Results that the config decides; in how many shards something is made is decided when it is made."""
    files = (path for name in RESULTS for path in sorted(experiment.path(name).rglob("*")) if path.is_file())
    found = {str(path.relative_to(experiment.path())): path.read_bytes() for path in files}
    of_shards = ("gradients/", "decoder/shards.json")
    return {name: content for name, content in found.items() if not name.startswith(of_shards)}


def fresh(experiment: Experiment, config: dict[str, Any], folder: Path) -> Experiment:
    """The same in an empty folder."""
    for name in INPUTS:
        path = experiment.folder / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / name)
    other = Experiment(folder)
    other.write(config)
    other.run()
    return other


@pytest.mark.parametrize("seed", range(10))
def test_after_five_random_changes_the_results_are_those_of_fresh_runs(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    experiment = Experiment.new(tmp_path / "kept")
    changes: dict[str, Any] = {}
    for step in range(5):
        for _ in range(draw.randint(1, 2)):
            if draw.random() < 0.2:
                draw.choice(FILES)(experiment.folder, draw)
            else:
                name = draw.choice(sorted(SETTINGS))
                changes[name] = copy.deepcopy(draw.choice(SETTINGS[name]))
        config = experiment.config(changes)
        experiment.write(config)
        experiment.run()
        empty = tmp_path / f"fresh-{step}"
        empty.mkdir()
        found, true = contents(experiment), contents(fresh(experiment, config, empty))
        kept_seeds = {name for name in found if name.startswith("seeds/seed_")} - set(true)  # of earlier settings
        assert {name: found[name] for name in set(found) - kept_seeds} == true, changes
        assert experiment.planned() == {}
