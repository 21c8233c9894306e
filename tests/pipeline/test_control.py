"""The control of a training: jobs beside the others, shared by runs, and lower than what it is a control of."""

import json
import shutil
from collections import Counter
from typing import Any

import pytest
from experiment import Experiment

pytestmark = pytest.mark.xdist_group("staleness")  # whose worker has the finished experiment


def test_turning_it_on_adds_its_jobs_and_makes_no_other_stale_but_the_report(finished: Experiment) -> None:
    assert finished.stale(control__seeds=2) == Counter(train_control=2, report=1)


@pytest.mark.parametrize(
    ("change", "jobs"), [({"decoder": {"lms_ratio": 0.9}}, 2), ({"training_arguments": {"max_steps": 9}}, 4)]
)
def test_runs_share_the_controls_of_equal_trainings(finished: Experiment, change: dict[str, Any], jobs: int) -> None:
    assert finished.stale(control__seeds=2, runs={"a": {}, "b": change})["train_control"] == jobs


@pytest.mark.long
def test_a_control_is_below_the_training_and_only_what_it_depends_on_makes_it_stale(
    finished: Experiment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("control") / "copy"
    shutil.copytree(finished.folder, folder)
    experiment, on = Experiment(folder), {"control__seeds": 2}
    before = experiment.contents()
    experiment.write(experiment.config(on))
    experiment.run()
    assert experiment.contents() == before and experiment.planned() == Counter()
    found = json.loads(experiment.path("report.json").read_text())
    own = found["encoder"]["correlation"]
    assert [one["seed"] for one in found["controls"]] == [0, 1]
    for one in found["controls"]:
        assert one["control"]["n"] == one["random_encoder"]["n"] == found["encoder"]["n"]
        assert abs(one["control"]["correlation"]) < own
    assert (
        "Control: the same training on batches drawn regardless of class" in experiment.path("report.html").read_text()
    )
    assert experiment.stale(control__seeds=3) == Counter(train_control=1, report=1)
    assert experiment.stale(control__seeds=1) == Counter(report=1)
    assert experiment.stale() == Counter(report=1)
    pruned = experiment.stale(**on, training_arguments__post_prune_config={"topk": 0.25})
    assert pruned["train_control"] == 2 and not pruned["train"]
    assert not experiment.stale(**on, decoder__lms_ratio=0.9)["train_control"]
    trained = experiment.stale(**on, training_arguments__max_steps=41)
    assert trained["train_control"] == trained["train"] == 2
