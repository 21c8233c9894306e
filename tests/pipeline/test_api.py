"""The Python API and the pipeline: the same numbers, and each goes on where the other has stopped."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from experiment import CONFIG, STAGES, Experiment, from_stage

from gradiend import DecoderConfig, TextPredictionTrainer, TrainingArguments

pytestmark = pytest.mark.xdist_group("staleness")

RESULTS = ("data", "pruning", "gradients", "seeds", "model", "encoder", "decoder", "rewritten")
CHANGES: list[tuple[dict[str, Any], Counter[str]]] = [
    ({"training_arguments__post_prune_config": {"topk": 0.25}}, from_stage("post_prune")),
    ({"training_arguments__pre_prune_config__topk": 0.25}, from_stage("pre_prune")),
    (
        {"training_arguments__min_convergent_seeds": 3},
        from_stage("select_seed") + Counter(train=1, evaluate_encoder=1),
    ),
    ({"training_arguments__eval_batch_size": 3}, Counter()),
]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Within, relative paths are those of a user in this folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def trainer(**changes: Any) -> TextPredictionTrainer:
    """The tests' config as it is said to the API, in the working directory."""
    arguments = {"experiment_dir": CONFIG["experiment_dir"], **CONFIG["training_arguments"], **changes}
    return TextPredictionTrainer(
        CONFIG["model"],
        CONFIG["data"]["source"],
        eval_neutral_data=CONFIG["data"]["neutral"],
        target_classes=CONFIG["target_classes"],
        training_args=TrainingArguments(**arguments),
        decoder=DecoderConfig(**CONFIG["decoder"]),
    )


def all_stages(own: TextPredictionTrainer) -> None:
    own.train()
    own.report()


def contents(folder: Path, *names: str) -> dict[str, bytes]:
    """Every file below some folders."""
    files = (path for name in names for path in sorted((folder / name).rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def by_api(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The experiment of `finished`, run by the Python API; tests only plan on it."""
    experiment = Experiment.new(tmp_path_factory.mktemp("api"))
    with inside(experiment.folder):
        all_stages(trainer())
    return experiment


@pytest.fixture
def own(by_api: Experiment, tmp_path: Path) -> Experiment:
    """A copy of it, elsewhere and without what Snakemake remembers, that a test may change."""
    shutil.copytree(by_api.folder, tmp_path / "copy", ignore=shutil.ignore_patterns(".snakemake"))
    return Experiment(tmp_path / "copy")


def test_the_api_writes_the_bytes_of_the_pipeline(by_api: Experiment, finished: Experiment) -> None:
    ours, theirs = (contents(experiment.folder / "out", *RESULTS) for experiment in (by_api, finished))
    assert set(ours) == set(theirs)
    assert [name for name in theirs if ours[name] != theirs[name]] == []


def test_snakemake_finds_nothing_to_do_where_the_api_has_done_it(by_api: Experiment) -> None:
    assert by_api.stale(training_arguments__learning_rate=0.001) == from_stage("train")
    assert by_api.planned() == Counter()  # planning has changed nothing
    assert "Nothing to be done" in by_api.call("-n", config="out/config.yaml")


@pytest.mark.parametrize(("changes", "jobs"), CHANGES, ids=lambda value: "-".join(value) if value else "nothing")
def test_a_change_makes_stale_what_the_api_has_made(
    by_api: Experiment, changes: dict[str, Any], jobs: Counter[str]
) -> None:
    assert by_api.stale(**changes) == jobs


def test_changed_data_makes_everything_stale(own: Experiment) -> None:
    path = own.folder / "examples.csv"
    path.write_bytes(path.read_bytes().rstrip() + b"\n\n")
    assert own.planned() == from_stage(STAGES[0])


def test_snakemake_goes_on_where_the_api_has_stopped(own: Experiment, finished: Experiment) -> None:
    for name in ("decoder", "rewritten", "plots"):
        shutil.rmtree(own.path(name))
    own.path("report.html").unlink()
    output = own.run()
    assert "evaluate_decoder:" in output and "seed 0:" not in output
    assert contents(own.folder / "out", "decoder") == contents(finished.folder / "out", "decoder")
    assert own.planned() == Counter()


def test_the_api_computes_nothing_where_snakemake_has_done_it(finished: Experiment) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.path().rglob("*") if path.is_file()}
    with inside(finished.folder):
        own = trainer(use_cache=True)
        own.pre_prune()
        all_stages(own)
        own.evaluate_encoder()
        own.evaluate_decoder()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert finished.planned() == Counter()


OTHER = {"training_arguments__learning_rate": 0.001}


@pytest.fixture(scope="module")
def taken_over(finished: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An experiment that Snakemake has run, and remembers, and then the API with another setting; only planned on."""
    experiment = finished.copied_to(tmp_path_factory.mktemp("taken") / "over")
    with inside(experiment.folder):
        all_stages(trainer(learning_rate=0.001, use_cache=True))
    return experiment


@pytest.mark.slow
def test_what_the_api_has_made_since_snakemake_did_is_not_made_again(taken_over: Experiment) -> None:
    assert taken_over.stale() == from_stage("train")  # as Snakemake made it
    assert taken_over.stale(**OTHER) == Counter()
    assert taken_over.planned_with_comparison(config="changed.yaml") == Counter()
    assert taken_over.stale() == from_stage("train")  # also where Snakemake remembers no more what it made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"training_arguments__latent_dim": 2}, from_stage("train")),
        ({"training_arguments__min_convergent_seeds": 1}, from_stage("select_seed")),
        ({"decoder__lms_ratio": 0.9}, from_stage("evaluate_decoder")),
    ],
)
def test_what_the_api_has_made_since_is_stale_where_it_should_be(
    taken_over: Experiment, changes: dict[str, Any], jobs: Counter[str]
) -> None:
    assert taken_over.stale(**OTHER, **changes) == jobs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "first"),
    [("out/seeds/best/model.safetensors", "post_prune"), ("out/gradients/train/shard-0.safetensors", "train")],
)
def test_what_has_newer_inputs_than_the_api_had_is_stale(
    taken_over: Experiment, tmp_path: Path, file: str, first: str
) -> None:
    experiment = taken_over.copied_to(tmp_path / "copy")
    (experiment.folder / file).touch()
    assert experiment.stale(**OTHER) == from_stage(first)


@pytest.mark.long
def test_another_run_of_the_api_in_the_same_folder_is_not_taken_for_the_pipelines(own: Experiment) -> None:
    own.run()
    with inside(own.folder):
        trainer(learning_rate=0.001, use_cache=True).train()
    assert set(own.planned()) == set(from_stage("train"))
    own.run()
    assert own.planned() == Counter()
