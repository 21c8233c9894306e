"""The learning-rate search: what is trained, on which rows it is judged, what the stage writes, and who reads it."""

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from killing import killed_after
from scipy import stats
from test_train_stage import options, outputs
from training_rows import small_space, store, train_settings, transitions

from gradiend.config import parse_config
from gradiend.course import encode_rows
from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.gradients.rows import StoredRows
from gradiend.labels import labels
from gradiend.learning_rates import choose
from gradiend.report.tuning import tuning_curve
from gradiend.resolution import stage_settings
from gradiend.settings import TuneLearningRate, canonical
from gradiend.stages import train as train_stage
from gradiend.stages import tune_learning_rate
from gradiend.stages.command import main
from gradiend.training import learning_rate, train
from gradiend.tuning import tune

BY_LOSS: dict[str, Any] = {"convergent_metric": "loss", "convergent_score_threshold": 0.5}


def run(trials: Path, **options: Any) -> str:
    """The stage, with the state of an unfinished job beside its results."""
    return tune_learning_rate.run(**options, trials=trials, partial=trials.parent / ".partial" / "tune.safetensors")


def tune_settings(factors: list[float], max_seeds: int = 2, **arguments: Any) -> TuneLearningRate:
    defaults = {"learning_rate": "tune", "num_train_epochs": 4, "eval_steps": 10, "use_cached_gradients": True}
    raw = {
        "experiment_dir": "unused",
        "model": "unused",
        "data": {"source": "unused"},
        "target_classes": ["female", "male"],
        "tuning": {"factors": factors, "max_seeds": max_seeds},
        "training_arguments": defaults | arguments,
    }
    settings = stage_settings("tune_learning_rate", parse_config(raw, "test"))
    assert isinstance(settings, TuneLearningRate)
    return settings


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredRows]:
    folder = tmp_path_factory.mktemp("rows")
    small_space().save(folder / "space.safetensors")
    return {
        "train": store(folder / "train", transitions(6, 5), seed=1, noise=2.0),
        "validation": store(folder / "validation", transitions(12, 12), seed=2, noise=2.0),
    }


@pytest.fixture(scope="module")
def inputs(rows: dict[str, StoredRows], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = next(path for path in tmp_path_factory.getbasetemp().glob("rows*") if (path / "train").is_dir())
    return {
        "space": folder / "space.safetensors",
        "train_rows": folder / "train" / "rows.parquet",
        "validation_rows": folder / "validation" / "rows.parquet",
    }


def test_every_trial_is_the_training_of_that_rate_and_seed_judged_on_validation(rows: dict[str, StoredRows]) -> None:
    settings = tune_settings([1.0, 0.1, 30.0], seed=4, encoder_eval_balance=False)
    trials = tune(settings, small_space(), rows["train"], rows["validation"])
    assert [(trial.factor, trial.seed) for trial in trials] == [(f, s) for f in (0.1, 1.0, 30.0) for s in (4, 5)]
    auto = learning_rate(train_settings(learning_rate="auto"), rows["train"])
    for trial in trials:
        assert trial.learning_rate == pytest.approx(auto * trial.factor)
        own = train_settings(learning_rate=trial.learning_rate, encoder_eval_balance=False)
        trained = train(own, small_space(), rows["train"], rows["validation"], trial.seed)
        assert trial.loss == trained.loss
        table = rows["validation"].table
        encoded = encode_rows(trained.model, rows["validation"], table.index.to_numpy())[:, 0]
        signs = labels(table, "alternative", ["female", "male"])
        assert trial.correlation == pytest.approx(abs(stats.pearsonr(encoded, signs).statistic))
        assert trial.converged == (trial.correlation >= 0.5)
    assert len({trial.correlation for trial in trials}) == len(trials)


def test_the_sign_of_a_gradiend_that_is_not_normalised_does_not_count(rows: dict[str, StoredRows]) -> None:
    found = [
        tune(tune_settings([1.0], 4, normalize_gradiend=normalised), small_space(), rows["train"], rows["validation"])
        for normalised in (True, False)
    ]
    for one, other in zip(*found, strict=True):
        assert one.correlation == pytest.approx(other.correlation)
        assert one.converged == other.converged


def test_what_trains_without_evaluation_is_judged_on_validation_all_the_same(rows: dict[str, StoredRows]) -> None:
    found = tune(tune_settings([1.0], do_eval=False), small_space(), rows["train"], rows["validation"])
    assert all(trial.correlation is not None for trial in found)


def test_a_supervised_decoder_is_judged_by_its_loss_alone(rows: dict[str, StoredRows]) -> None:
    settings = tune_settings([0.1, 1.0, 100.0], supervised_decoder=True, **BY_LOSS)
    found = tune(settings, small_space(), rows["train"], rows["validation"])
    assert all(trial.correlation is None and trial.loss is not None for trial in found)
    means = pd.DataFrame([trial.__dict__ for trial in found]).groupby("factor")["loss"].mean()
    assert choose(found, "loss").factor == means.idxmin()


def test_a_supervised_encoder_is_judged_by_its_correlation(rows: dict[str, StoredRows]) -> None:
    settings = tune_settings([0.01, 10.0], supervised_encoder=True)
    found = tune(settings, small_space(), rows["train"], rows["validation"])
    assert all(trial.correlation is not None for trial in found)


def test_a_training_that_diverges_is_a_trial_without_metrics(rows: dict[str, StoredRows]) -> None:
    settings = tune_settings([1.0, 1e30], max_seeds=1, activation_encoder="id")
    good, bad = tune(settings, small_space(), rows["train"], rows["validation"])
    assert good.reason is None and good.correlation is not None
    assert (bad.correlation, bad.loss, bad.converged) == (None, None, False)
    assert bad.reason is not None and "lower learning_rate" in bad.reason
    assert choose([good, bad], "correlation").factor == 1.0


def test_the_stage_writes_the_trials_and_the_rate_alone_which_the_training_takes(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    files = {"trials": tmp_path / "trials.parquet", "out": tmp_path / "learning_rate.json"}
    line = run(settings=tune_settings([0.5, 1.0]), **inputs, **files)
    rate = read_json(files["out"])["learning_rate"]
    assert json.loads(files["out"].read_text()) == {"learning_rate": rate}
    table = pd.read_parquet(files["trials"])
    assert set(table["factor"]) == {0.5, 1.0} and rate in set(table["learning_rate"])
    assert re.match(rf"tune_learning_rate: {rate:.3g}, \S+ x auto, of 2 rates: \d of 2 seeds converged", line)
    own = outputs(tmp_path, 0)
    settings = train_settings(learning_rate="tune")
    train_stage.run(settings=settings, seed=0, **inputs, tuned=files["out"], **own)
    content = read_json(own["training"])
    assert (content["learning_rate"], content["arguments"]["learning_rate"]) == (rate, "tune")
    wanted = outputs(tmp_path / "given", 0)
    train_stage.run(settings=train_settings(learning_rate=rate), seed=0, **inputs, **wanted)
    assert read_json(wanted["training"])["curves"] == content["curves"]


def test_a_search_killed_again_and_again_goes_on_within_its_training_to_the_very_same_files(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = tune_settings([0.5, 1.0, 1e30], activation_encoder="id")
    names = ("trials", "out")
    undisturbed, killed = ({name: tmp_path / f"{kind}-{name}" for name in names} for kind in ("undisturbed", "killed"))
    run(settings=settings, **inputs, **undisturbed)
    saves = []
    for after in (3, 45, 30, 50, 20):
        with killed_after(after, monkeypatch):
            run(settings=settings, **inputs, **killed)
        saves += [path.name for path in (tmp_path / ".partial").iterdir()]
    assert Counter(saves) == {"tune-part.safetensors": 5, "tune.safetensors": 4}  # the first training is save 48
    run(settings=settings, **inputs, **killed)
    assert all(killed[name].read_bytes() == undisturbed[name].read_bytes() for name in names)
    assert list((tmp_path / ".partial").iterdir()) == [] and not caplog.records


def test_a_search_begun_with_other_rows_is_not_gone_on_with(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = inputs["space"].parent
    shutil.copytree(folder, tmp_path / "own")
    own = {name: tmp_path / "own" / path.relative_to(folder) for name, path in inputs.items()}
    files = {"trials": tmp_path / "trials.parquet", "out": tmp_path / "rate.json"}
    for name in ("train_rows", "validation_rows"):
        with killed_after(50, monkeypatch):
            run(settings=tune_settings([1.0]), **own, **files)
        os.utime(own[name].with_name("shard-0.safetensors"), (1, 1))
        run(settings=tune_settings([1.0]), **own, **files)
        assert "tune.safetensors: is of other settings, inputs or code: begun anew" in caplog.text
        caplog.clear()


def test_no_converged_seed_is_a_loud_warning(
    inputs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = tune_settings([0.9, 1.0, 1.1], convergent_score_threshold=1.0)
    line = run(settings=settings, **inputs, trials=tmp_path / "t.parquet", out=tmp_path / "l.json")
    assert "0 of 2 seeds converged" in line and "WARNING: no seed converged with any learning rate" in line
    assert any("no seed converged" in record.message for record in caplog.records)


@pytest.mark.parametrize("content", ["{}", '{"learning_rate": -1.0}', '{"learning_rate": "auto"}'])
def test_a_file_without_a_rate_is_named(inputs: dict[str, Path], tmp_path: Path, content: str) -> None:
    (tmp_path / "rate.json").write_text(content)
    with pytest.raises(GradiendError, match=r"rate\.json: learning_rate .* is wrong: should be a number > 0"):
        settings = train_settings(learning_rate="tune")
        train_stage.run(settings=settings, seed=0, **inputs, tuned=tmp_path / "rate.json", **outputs(tmp_path, 0))


def test_training_with_tune_needs_the_tuned_rate(
    inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = options(train_settings(learning_rate="tune"), seed=0, **inputs, **outputs(tmp_path, 0))
    assert main(train_stage.run, arguments) == 1
    assert "learning_rate tune: no tuned rate is given" in capsys.readouterr().err


def test_tuning_is_refused_where_no_rows_are_stored() -> None:
    with pytest.raises(GradiendError, match="learning_rate 'tune' trains many times on stored rows: set use_cached"):
        tune_settings([1.0], use_cached_gradients=False)


def test_what_changes_no_weights_of_a_trial_changes_no_settings_of_the_search() -> None:
    usual = canonical(tune_settings([1.0, 2.0, 1.0]))
    more = {"save_strategy": "steps", "save_steps": 7, "save_only_best": False, "delete_models": True}
    assert canonical(tune_settings([2.0, 1.0], **more)) == usual
    assert canonical(tune_settings([2.0, 1.0], save_strategy="no")) != usual


def test_the_curve_names_the_rate_that_was_taken_and_draws_every_seed() -> None:
    found = [
        (3e-5 * f, f, seed, value, 0.1, value is not None, None)
        for f, seed, value in (
            (0.1, 0, 0.7),
            (0.1, 1, None),
            (1.0, 0, 1.0),
            (1.0, 1, 0.9),
            (10.0, 0, 0.6),
            (10.0, 1, 0.5),
        )
    ]
    columns = ["learning_rate", "factor", "seed", "correlation", "loss", "converged", "reason"]
    table = pd.DataFrame(found, columns=columns)
    picture = tuning_curve(table, {"convergence_metric": "correlation", "threshold": 0.4})
    assert picture.caption.startswith("3e-05 was taken, 1 times auto: with it 2 of 2 seeds converged.")
    assert "3e-06: 1 of 2 seeds converged, mean |correlation| on validation 0.35" in picture.alt
    assert picture.figure is not None
    share, values = picture.figure.axes
    assert share.lines[0].get_ydata() == pytest.approx([50, 100, 100])
    by_label = {str(line.get_label()): line for line in values.lines}
    assert by_label["mean"].get_ydata() == pytest.approx([0.35, 0.95, 0.55])
    assert by_label["taken"].get_xdata() == pytest.approx([3e-5])
