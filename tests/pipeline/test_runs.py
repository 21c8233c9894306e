"""Runs share a stage exactly when the settings of it and of all stages before it are equal."""

import filecmp
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from experiment import Experiment, from_stage

from gradiend.watch.jobs import finished, progress_of
from gradiend.watch.screen import label_of

pytestmark = pytest.mark.xdist_group("sharing")

ONE_SEED = {"training_arguments__max_seeds": 1, "training_arguments__min_convergent_seeds": 1}
RUNS: dict[str, Any] = {
    "plain": {},
    "grid": {"decoder": {"learning_rates": [0.2]}},
    "rate": {"training_arguments": {"learning_rate": 0.001}},
    "less": {"training_arguments": {"pre_prune_config": {"n_samples": 8, "topk": 0.25, "source": "diff"}}},
}
LINKS = Counter(link_run=1, link_seeds=1)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An experiment of four runs, run to its end."""
    experiment = Experiment.new(tmp_path_factory.mktemp("several"), runs=RUNS, **ONE_SEED)
    assert experiment.planned() == jobs_of_all_runs()
    experiment.run(*(f"out/{run}/report.html" for run in RUNS))  # what compares them has a test of its own
    return experiment


def jobs_of_all_runs() -> Counter[str]:
    """Two runs differ from "plain" in training or before, one in the decoder evaluation only."""
    shared = Counter(prepare_data=1, cache_importance=1, pre_prune=2, cache_gradients=2)
    trained = ("train", "evaluate_encoder", "select_seed", "post_prune", "evaluate_test")
    own = Counter({name: 4 for name in ("evaluate_decoder", "rewrite_model", "report", "link_run", "link_seeds")})
    return shared + Counter({name: 3 for name in trained}) + own


def stale(experiment: Experiment, runs: dict[str, Any]) -> Counter[str]:
    return experiment.stale(runs=runs, **ONE_SEED)


def changed(run: str, change: dict[str, Any]) -> dict[str, Any]:
    return RUNS | {run: change}


def test_what_is_shared_lies_once_and_is_linked_from_every_run(several: Experiment) -> None:
    for name in ("data", "pruning/importance.safetensors"):
        assert len({os.path.realpath(several.path(run, name)) for run in RUNS}) == 1
    gradients = {run: os.path.realpath(several.path(run, "gradients")) for run in RUNS}
    assert gradients["plain"] == gradients["grid"] == gradients["rate"] != gradients["less"]
    seeds = {run: os.path.realpath(several.path(run, "seeds/seed_0/model")) for run in RUNS}
    assert seeds["plain"] == seeds["grid"] and len(set(seeds.values())) == 3


def test_links_are_relative_so_that_the_experiment_may_be_moved(several: Experiment) -> None:
    links = [path for path in several.path().rglob("*") if path.is_symlink()]
    assert len(links) > 40
    assert not [link for link in links if os.path.isabs(os.readlink(link)) or not link.exists()]


def test_a_run_of_several_has_the_very_files_of_that_run_alone(several: Experiment, tmp_path: Path) -> None:
    alone = Experiment.new(tmp_path, **ONE_SEED, **{"training_arguments__learning_rate": 0.001})
    alone.run()
    names = [
        "data/examples.parquet",
        "pruning/space.safetensors",
        "gradients/train/shard-0.safetensors",
        "seeds/seed_0/training.json",
        "seeds/seed_0/evaluation.json",
        "model/model.safetensors",
        "encoder/encodings.parquet",
        "decoder/grid.parquet",
    ]
    for name in names:
        assert filecmp.cmp(alone.path(name), several.path("rate", name), shallow=False), name


def test_the_progress_has_every_job_once_with_the_names_of_its_runs(several: Experiment) -> None:
    progress = progress_of(several.path())
    assert finished(progress.jobs) and progress.possible == 0
    assert Counter(job.stage for job in progress.jobs) == jobs_of_all_runs() - LINKS - LINKS - LINKS - LINKS
    names = {label_of(job.runs, progress.runs) for job in progress.jobs}
    assert names == {"all runs", "plain + 2 more", "plain + 1 more", *RUNS}
    evaluated = [job for job in progress.jobs if job.stage == "evaluate_encoder"]
    assert all(job.correlation is not None for job in evaluated)


def test_the_command_on_the_page_of_a_run_plans_that_run_alone_in_a_folder_of_its_own(several: Experiment) -> None:
    config = str(several.path("rate", "plots", "config.yaml").relative_to(several.folder))
    assert f"snakemake --cores all --configfile {config}" in several.path("rate", "report.html").read_text()
    assert several.planned(config=config) == from_stage("prepare_data", seeds=1)
    assert "out-rate/report.html" in several.call("-n", config=config)


def test_nothing_is_stale_after_the_end(several: Experiment) -> None:
    assert several.planned() == Counter()


def test_what_was_made_from_another_folder_since_is_not_made_again(several: Experiment, tmp_path: Path) -> None:
    experiment = several.copied_to(tmp_path / "copy")
    experiment.remember_others(rewritten=False)
    assert experiment.planned() == jobs_of_all_runs() - Counter(link_run=4)
    experiment.remember_others(rewritten=True)
    assert experiment.planned() == Counter(report=4)  # which is of a run, not of what several share


def test_a_changed_learning_rate_of_one_run_trains_that_run_only(several: Experiment) -> None:
    runs = changed("rate", {"training_arguments": {"learning_rate": 0.002}})
    assert stale(several, runs) == from_stage("train", seeds=1) + LINKS


def test_a_run_that_leaves_the_others_makes_nothing_of_theirs_stale(several: Experiment) -> None:
    runs = changed("grid", {"training_arguments": {"max_steps": 41}})
    assert stale(several, runs) == from_stage("train", seeds=1) + LINKS


def test_a_further_run_shares_what_is_there(several: Experiment) -> None:
    runs = RUNS | {"more": {"decoder": {"lms_ratio": 0.5}}}
    assert stale(several, runs) == from_stage("evaluate_decoder") + LINKS


def test_a_run_taken_away_makes_nothing_stale(several: Experiment) -> None:
    # whichever run stands for those that share with it
    for name in RUNS:
        assert stale(several, {run: change for run, change in RUNS.items() if run != name}) == Counter()


def test_changed_data_make_everything_stale_once(several: Experiment) -> None:
    path = several.folder / "examples.csv"
    before = path.read_bytes()
    try:
        path.write_bytes(before.rstrip() + b"\n\n")
        assert several.planned() == jobs_of_all_runs()
    finally:
        path.write_bytes(before)


def test_a_hundred_runs_of_three_seeds_are_planned_in_seconds(several: Experiment) -> None:
    rates = {f"rate-{i}": {"training_arguments": {"learning_rate": 1e-6 * (i + 1)}} for i in range(100)}
    three = {"training_arguments__max_seeds": 3, "training_arguments__min_convergent_seeds": 3}
    start = time.monotonic()
    planned = several.stale(runs=rates, **three)
    assert planned["train"] == 300 and planned["cache_gradients"] == 0
    assert time.monotonic() - start < 20
