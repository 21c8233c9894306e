"""Several runs are compared at the end: with whom, with which numbers, and what makes the comparison stale."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment import BESIDE, Experiment
from safetensors.numpy import load_file
from scipy import stats
from tiny import save_learnt_model

from gradiend.model import GradiendModel

pytestmark = pytest.mark.xdist_group("comparison")

OTHER = {"model": "another"}
RUNS: dict[str, Any] = {
    "turned": {
        "target_classes": ["male", "female"],
        "training_arguments": {"source": "diff", "post_prune_config": {"topk": 0.2}, "seed": 3},
    },
    "plain": {"training_arguments": {"max_seeds": 2, "min_convergent_seeds": 2}},
    "foreign": OTHER,
}
SETTINGS: dict[str, Any] = {
    "runs": RUNS,
    "comparison": {"topk": 50},
    "training_arguments__max_steps": 20,
    "training_arguments__max_seeds": 1,
    "training_arguments__min_convergent_seeds": 1,
    "training_arguments__pre_prune_config": None,
}
STABILITY = "out/plain/seeds/stability.json"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An experiment of three runs, run as far as the comparison needs."""
    experiment = Experiment.new(tmp_path_factory.mktemp("compared"), **SETTINGS)
    save_learnt_model(experiment.folder / "another")
    links = (f"out/{run}/{name}" for run in RUNS for name in ("links.json", "seeds/links.json"))
    output = experiment.run("out/comparison/summary.json", STABILITY, *links)
    left_out = "left out, for no other run has its base model: foreign"
    assert f"compare_runs: 2 of 3 runs, on 1 base model; {left_out}" in output
    encoders = (os.path.realpath(experiment.path(run, "encoder")) for run in ("plain", "turned"))
    experiment.run(*(f"{os.path.relpath(folder, experiment.folder)}/metrics.json" for folder in encoders))
    return experiment


def entries(folder: Any) -> dict[tuple[str, int], float]:
    """Decoder weight of every kept entry, read from the files themselves."""
    weights = load_file(folder / "model.safetensors")["decoder.weight"][:, 0]
    space = GradiendModel.from_pretrained(folder).space
    names = [(name, int(i)) for name in space.shapes for i in space.indices(name)]
    return dict(zip(names, weights.astype(float).tolist(), strict=True))


def test_only_runs_on_the_same_base_model_are_compared(compared: Experiment) -> None:
    summary = json.loads(compared.path("comparison", "summary.json").read_text())
    (group,) = summary["groups"]
    assert group["runs"] == ["turned", "plain"]  # as the config has them
    assert summary["left_out"] == {"foreign": "no other run has its base model"}
    assert {path.stem for path in compared.path("comparison", "encodings").iterdir()} == {"plain", "turned"}
    drawn = {path.stem for path in compared.path("comparison", "plots").glob("*.svg")}
    assert drawn == set(group["figures"])
    assert drawn == {"overlap", "shared_top", "shared_kept", "cosine", "layers", "cross_encoding"}


def test_a_run_on_its_own_examples_has_the_score_of_its_own_evaluation(compared: Experiment) -> None:
    table = compared.table("comparison", "cross_encoding.parquet").set_index(["encoder", "run"])["correlation"]
    for run in ("plain", "turned"):
        metrics = json.loads(compared.path(run, "encoder", "metrics.json").read_text())
        assert table[run, run] == pytest.approx(metrics["test"]["correlation"], abs=1e-5)
        own = compared.table(run, "encoder", "encodings.parquet").query("split == 'test'").set_index("example_id")
        crossed = compared.table("comparison", "encodings", f"{run}.parquet").query("encoder == @run")
        wanted = own.loc[crossed["example_id"], "encoded"].to_numpy()
        assert crossed["encoded"].to_numpy() == pytest.approx(wanted, abs=1e-4)


def test_a_run_with_its_classes_the_other_way_round_encodes_the_other_way(compared: Experiment) -> None:
    crossed = compared.table("comparison", "cross_encoding.parquet").set_index(["encoder", "run"])["correlation"]
    assert crossed["plain", "turned"] < -0.3 and crossed["turned", "plain"] < -0.3
    mine = compared.table("comparison", "encodings", "turned.parquet").query("encoder == 'plain'")
    assert crossed["plain", "turned"] == pytest.approx(stats.pearsonr(mine["encoded"], mine["label"]).statistic)


def test_overlap_and_cosine_are_those_of_the_models_files(compared: Experiment) -> None:
    weights = {run: entries(compared.path(run, "model")) for run in ("plain", "turned")}
    one, other = (weights[run] for run in ("plain", "turned"))
    tops = [set(sorted(own, key=lambda entry: -abs(own[entry]))[:50]) for own in (one, other)]
    overlap = compared.table("comparison", "overlap.parquet").set_index(["entries", "run", "other"])
    assert overlap.loc[("top", "plain", "turned"), "common"] == len(tops[0] & tops[1])
    assert overlap.loc[("kept", "plain", "turned"), "common"] == len(one.keys() & other.keys())
    sizes = [overlap.loc[("kept", run, run), "size"] for run in ("plain", "turned")]
    assert sizes == [len(one), len(other)] and len(one) != len(other)
    # what strengthens the first class: of an alternative gradient the weights, of a diff the negated ones
    product = -sum(one[entry] * other[entry] for entry in one.keys() & other.keys())
    norms = [np.sqrt(sum(value**2 for value in own.values())) for own in (one, other)]
    cosine = compared.table("comparison", "cosine.parquet").set_index(["run", "other"])["cosine"]
    assert cosine["plain", "turned"] == pytest.approx(product / np.prod(norms), abs=1e-6)


def test_the_stability_of_a_run_is_that_of_its_converged_seeds(compared: Experiment) -> None:
    content = json.loads((compared.folder / STABILITY).read_text())
    report = json.loads(compared.path("plain", "seeds", "seed_report.json").read_text())
    assert content["converged"] == [one["seed"] for one in report["runs"] if one["converged"]] == [0, 1]
    values = [one["eval_correlation"] for one in report["runs"]]
    assert content["metrics"]["correlation"]["mean"] == pytest.approx(np.mean(values))
    assert content["metrics"]["correlation"]["std"] == pytest.approx(np.std(values, ddof=1))
    seeds = [entries(compared.path("plain", "seeds", f"seed_{seed}", "model")) for seed in (0, 1)]
    product = sum(seeds[0][entry] * seeds[1][entry] for entry in seeds[0])
    norms = [np.sqrt(sum(value**2 for value in own.values())) for own in seeds]
    (pair,) = content["pairs"]
    assert pair["cosine"] == pytest.approx(product / np.prod(norms), abs=1e-6)
    assert (compared.folder / STABILITY).with_suffix(".svg").exists()


def beside(experiment: Experiment, **changes: Any) -> Counter[str]:
    experiment.write(experiment.config(SETTINGS | changes), "changed.yaml")
    planned = experiment.planned_with_comparison(config="changed.yaml")
    return Counter({name: count for name, count in planned.items() if name in BESIDE})


def test_the_comparison_is_stale_where_something_of_it_changed(compared: Experiment) -> None:
    assert beside(compared) == Counter()
    assert beside(compared, comparison={"topk": 40}) == Counter(compare_runs=1, measure_stability=1)
    decoder = RUNS | {"foreign": OTHER | {"decoder": {"learning_rates": [0.2]}}}
    assert beside(compared, runs=decoder) == Counter()
    pruned = RUNS | {"foreign": OTHER | {"training_arguments": {"post_prune_config": {"topk": 0.25}}}}
    assert beside(compared, runs=pruned) == Counter(compare_runs=1)  # on another base model
    seeds = RUNS["plain"]["training_arguments"]
    own = RUNS | {"plain": {"training_arguments": {**seeds, "post_prune_config": {"topk": 0.25}}}}
    assert beside(compared, runs=own) == Counter(gather_encoders=1, cross_encode=2, compare_runs=1)


def test_a_comparison_that_nobody_remembers_is_stale_where_it_should_be(compared: Experiment, tmp_path: Path) -> None:
    experiment = compared.copied_to(tmp_path / "copy")
    shutil.rmtree(experiment.folder / ".snakemake")
    assert beside(experiment) == Counter()
    assert beside(experiment, comparison={"topk": 40})["compare_runs"] == 1
    two = {run: RUNS[run] for run in ("plain", "turned")}
    assert beside(experiment, runs=two) == Counter(compare_runs=1)
    assert beside(experiment, training_arguments__encoder_eval_max_size=5)["cross_encode"] == 2


def test_one_run_is_not_compared(compared: Experiment) -> None:
    assert beside(compared, runs={"plain": RUNS["plain"]}) == Counter()
