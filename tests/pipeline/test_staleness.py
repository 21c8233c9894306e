"""A change reruns the stages that depend on it, and no other."""

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from experiment import STAGES, Experiment, copy_of_workflow, from_stage

pytestmark = pytest.mark.xdist_group("staleness")

DECODER = from_stage("evaluate_decoder")
AFTER_TRAINING = from_stage("train")
AFTER_SELECTION = from_stage("select_seed")
ONE_MORE_SEED = AFTER_SELECTION + Counter(train=1, evaluate_encoder=1)
SETTINGS: list[tuple[dict[str, Any], Counter[str]]] = [
    ({}, Counter()),
    ({"decoder__learning_rates": [1.0]}, DECODER),
    ({"decoder__lms_ratio": 0.9}, DECODER),
    ({"decoder__directions": ["strengthen"]}, DECODER),
    ({"decoder__feature_factors": {"female": 0.5}}, DECODER),
    ({"training_arguments__decoder_eval_max_size_neutral": 2}, DECODER),
    ({"training_arguments__post_prune_config": {"topk": 0.25}}, from_stage("post_prune")),
    ({"training_arguments__post_prune_config": None}, from_stage("post_prune")),
    ({"training_arguments__learning_rate": 0.001}, AFTER_TRAINING),
    ({"training_arguments__max_steps": 41}, AFTER_TRAINING),
    ({"training_arguments__optim": "adam"}, AFTER_TRAINING),
    ({"training_arguments__target": "factual"}, AFTER_TRAINING),
    ({"training_arguments__source": "diff"}, AFTER_TRAINING),
    ({"training_arguments__normalize_gradiend": False}, AFTER_TRAINING),
    ({"training_arguments__latent_dim": 2}, AFTER_TRAINING),
    ({"training_arguments__activation_encoder": "smht"}, AFTER_TRAINING),
    (
        {"training_arguments__pre_prune_config": {"n_samples": 8, "topk": 0.25, "source": "diff"}},
        from_stage("pre_prune"),
    ),
    (
        {"training_arguments__pre_prune_config": {"n_samples": 6, "topk": 0.5, "source": "diff"}},
        from_stage("cache_importance"),
    ),
    ({"training_arguments__torch_dtype": "bfloat16"}, from_stage("cache_importance")),
    ({"training_arguments__train_batch_size": 3}, from_stage("prepare_data")),
    ({"training_arguments__convergent_score_threshold": -0.5}, AFTER_SELECTION),
    ({"training_arguments__eval_batch_size": 3}, Counter()),
    ({"training_arguments__device": "cpu"}, Counter()),
    ({"training_arguments__keep_seed_runs": False}, Counter()),
    ({"shards": 4}, Counter()),
    (
        {"training_arguments__min_convergent_seeds": 3},
        ONE_MORE_SEED,
    ),
    ({"training_arguments__min_convergent_seeds": 1}, AFTER_SELECTION),
    ({"training_arguments__max_seeds": 2}, AFTER_SELECTION),
]


@pytest.mark.parametrize(("changes", "jobs"), SETTINGS, ids=lambda value: "-".join(value) if value else "nothing")
def test_a_changed_setting_makes_stale(finished: Experiment, changes: dict[str, Any], jobs: Counter[str]) -> None:
    assert finished.stale(**changes) == jobs


SEEDS = "training_arguments__min_convergent_seeds"


@pytest.mark.parametrize("seed", range(8))
def test_several_changes_make_stale_what_the_earliest_of_them_does(finished: Experiment, seed: int) -> None:
    single = [(change, jobs) for change, jobs in SETTINGS if len(change) == 1 and "max_seeds" not in next(iter(change))]
    changes: dict[str, Any] = {}
    first = len(STAGES)
    for change, jobs in random.Random(seed).sample(single, 3):
        if not changes.keys() & change.keys():
            changes |= change
            first = min([first, *(STAGES.index(name) for name in jobs if jobs != ONE_MORE_SEED)])
    seeds = changes.get(SEEDS, 2)
    if seeds != 2:
        first = min(first, STAGES.index("select_seed"))
    expected = from_stage(STAGES[first], seeds) if first < len(STAGES) else Counter()
    if first > STAGES.index("evaluate_encoder") and seeds == 3:
        expected += Counter(train=1, evaluate_encoder=1)
    assert finished.stale(**changes) == expected


def test_a_touched_data_file_makes_nothing_stale(finished: Experiment) -> None:
    for name in ("examples.csv", "neutral.csv", "model/config.json", "model/model.safetensors"):
        os.utime(finished.folder / name)
    assert finished.planned() == Counter()


@pytest.mark.parametrize(
    ("file", "first"),
    [
        ("examples.csv", "prepare_data"),
        ("neutral.csv", "prepare_data"),
        ("model/tokenizer_config.json", "cache_importance"),
    ],
)
@pytest.mark.parametrize("old_time_stamp", [False, True])
def test_changed_content_makes_stale_whatever_its_time_stamp(
    finished: Experiment, file: str, first: str, old_time_stamp: bool
) -> None:
    path = finished.folder / file
    before, status = path.read_bytes(), path.stat()
    try:
        path.write_bytes(before.rstrip() + b"\n\n")
        if old_time_stamp:
            os.utime(path, (1, 1))
        assert finished.planned() == from_stage(first)
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert finished.planned() == Counter()


MODULES = [
    ("lms.py", {"evaluate_decoder"}),
    ("training.py", {"train"}),
    ("scores.py", {"train", "evaluate_encoder", "evaluate_test"}),
    ("selection.py", {"select_seed"}),
    ("plots.py", {"report"}),
    ("examples/batches.py", {"prepare_data"}),
    ("gradients/importance.py", {"cache_importance"}),
    ("gradients/sites.py", {"cache_importance", "cache_gradients", "evaluate_decoder"}),
    ("backbones/masked_lm.py", {"cache_importance", "cache_gradients", "evaluate_decoder", "rewrite_model"}),
]


@pytest.fixture(scope="module")
def copied(finished: Experiment) -> Experiment:
    """The finished experiment, run by a copy of the workflow that a test may change."""
    folder = finished.folder / "workflow-copy"
    folder.mkdir(exist_ok=True)
    experiment = Experiment(finished.folder, copy_of_workflow(folder))
    assert experiment.planned() == Counter()  # equal code in another place is the same code
    return experiment


@pytest.mark.parametrize(("module", "users"), MODULES)
def test_a_changed_module_makes_stale_the_stages_that_use_it(copied: Experiment, module: str, users: set[str]) -> None:
    path = copied.snakefile.parent / "gradiend" / module
    before = path.read_text()
    try:
        path.write_text(before + "\n\n# a comment makes nothing stale\n")
        assert copied.planned() == Counter()
        path.write_text(before + "\n\nADDED = 1\n")
        first = min(STAGES.index(user) for user in users)
        stale = copied.planned()
    finally:
        path.write_text(before)
    assert users <= set(stale)
    assert not set(stale) & set(STAGES[:first])


@pytest.mark.long
def test_a_run_after_a_change_leaves_nothing_stale(tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path, training_arguments__max_seeds=1, training_arguments__min_convergent_seeds=1)
    experiment.run()
    assert experiment.planned() == Counter()
    changes = {"training_arguments__max_seeds": 1, "training_arguments__min_convergent_seeds": 1}
    experiment.write(experiment.config(changes | {"training_arguments__latent_dim": 2}))
    output = experiment.run()
    assert "seed 0:" in output and "cache_gradients:" not in output
    assert experiment.planned() == Counter()
    assert "Nothing to be done" in experiment.run()
