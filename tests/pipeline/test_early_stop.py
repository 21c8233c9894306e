"""Seeds are tried in waves, and exactly those that trying one after the other would try."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from experiment import Experiment

ALWAYS = {"convergent_score_threshold": -1.0}
NEVER = {"convergent_metric": "loss", "convergent_score_threshold": -1.0}


def tried(folder: Path, **changes: Any) -> dict[str, Any]:
    experiment = Experiment.new(folder, **{f"training_arguments__{key}": value for key, value in changes.items()})
    experiment.run("out/seeds/seed_report.json")
    report: dict[str, Any] = json.loads(experiment.path("seeds", "seed_report.json").read_text())
    return report


@pytest.mark.parametrize(
    ("changes", "seeds", "converged"),
    [
        ({**ALWAYS, "min_convergent_seeds": 1, "max_seeds": 3}, [0], 1),
        ({**NEVER, "min_convergent_seeds": 1, "max_seeds": 2, "seed": 5}, [5, 6], 0),
        ({**ALWAYS, "min_convergent_seeds": None, "max_seeds": 2}, [0, 1], 2),
    ],
    ids=["stops", "goes on to the last", "tries all"],
)
def test_seeds_are_tried_until_enough_have_converged(
    tmp_path: Path, changes: dict[str, Any], seeds: list[int], converged: int
) -> None:
    report = tried(tmp_path, **changes)
    assert (report["seeds_tried"], report["convergent_count"]) == (seeds, converged)
    assert report["best_seed"] in seeds
    assert not [path for path in (tmp_path / "out/seeds").glob("seed_[0-9]") if int(path.name[5:]) not in seeds]


def test_models_of_unselected_seeds_are_temporary_unless_kept(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"keep_seed_runs": False, "min_convergent_seeds": 2, "max_seeds": 2}
    changes |= {"save_strategy": "steps", "save_steps": 10}
    experiment = Experiment.new(tmp_path, **{f"training_arguments__{key}": value for key, value in changes.items()})
    experiment.run()
    assert list(experiment.path("seeds").glob("seed_*/**/*.safetensors")) == []
    assert len(list(experiment.path("seeds").glob("seed_*/evaluation.json"))) == 2
    assert experiment.path("seeds", "best", "model.safetensors").exists()
    assert experiment.planned() == Counter()


@pytest.mark.long
def test_rows_computed_as_they_are_needed_give_the_numbers_of_stored_ones(tmp_path: Path) -> None:
    found = []
    for name, cached in (("stored", True), ("live", False)):
        (tmp_path / name).mkdir()
        changes = {"use_cached_gradients": cached, "min_convergent_seeds": 1, "max_steps": 12}
        experiment = Experiment.new(tmp_path / name, **{f"training_arguments__{k}": v for k, v in changes.items()})
        experiment.run("out/encoder/metrics.json")
        found.append(json.loads(experiment.path("encoder", "metrics.json").read_text()))
        assert experiment.path("gradients").exists() == cached
    for split in ("validation", "test"):
        assert found[1][split]["correlation"] == pytest.approx(found[0][split]["correlation"], abs=1e-4)
