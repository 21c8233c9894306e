"""Seeds: the next wave, verdicts, the best seed, the report, and the stage that copies the best model."""

import dataclasses
import functools
import itertools
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json
from gradiend.selection import SeedRun, has_converged, metric_of, next_seeds, seed_values, select
from gradiend.settings import SelectSeed, canonical
from gradiend.stages import select_seed
from gradiend.stages.command import main

BY_CORRELATION = SelectSeed(
    convergent_metric="correlation", convergent_score_threshold=0.5, min_convergent_seeds=1, max_seeds=3
)
BY_LOSS = dataclasses.replace(BY_CORRELATION, convergent_metric="loss", convergent_score_threshold=1e-3)
REPORT_KEYS = {"convergence_metric", "threshold", "min_convergent_seeds", "max_seeds", "seeds_tried"}
REPORT_KEYS |= {"convergent_count", "best_seed", "best_selection_score", "early_stop_reason", "runs"}


def evaluation(correlation: float | None, loss: float | None = 1.0) -> dict[str, Any]:
    return {"correlation": correlation, "loss": loss}


def runs(*correlations: float | None) -> list[SeedRun]:
    """Seeds 0, 1, ... with these correlations."""
    return [SeedRun(i, f"seeds/seed_{i}/model", evaluation(r), r) for i, r in enumerate(correlations)]


# Which seeds are tried


def one_after_the_other(outcomes: dict[int, bool], seeds: Sequence[int], least: int | None) -> list[int]:
    tried: list[int] = []
    for seed in seeds:
        if least is not None and sum(outcomes[s] for s in tried) >= least:
            break
        tried.append(seed)
    return tried


def in_waves(outcomes: dict[int, bool], seeds: Sequence[int], least: int | None) -> list[list[int]]:
    waves: list[list[int]] = []
    while wave := next_seeds({seed: outcomes[seed] for seed in itertools.chain(*waves)}, seeds, least):
        waves.append(wave)
    return waves


@functools.cache
def cases() -> list[tuple[dict[int, bool], list[int], int | None]]:
    return [
        (dict(zip(seeds, bits, strict=True)), seeds, least)
        for size in range(1, 7)
        for seeds in (seed_values(None, size), seed_values(40, size))
        for bits in itertools.product([False, True], repeat=size)
        for least in [None, *range(1, size + 1)]
    ]


def test_waves_try_exactly_the_seeds_that_one_after_the_other_would() -> None:
    for outcomes, seeds, least in cases():
        tried = list(itertools.chain(*in_waves(outcomes, seeds, least)))
        assert tried == one_after_the_other(outcomes, seeds, least), (outcomes, least)


def test_the_first_wave_has_as_many_seeds_as_must_converge() -> None:
    assert next_seeds({}, [0, 1, 2, 3], 2) == [0, 1]
    assert next_seeds({}, [5, 6, 7], None) == [5, 6, 7]
    assert next_seeds({0: True, 1: False}, [0, 1, 2, 3], 2) == [2]
    assert next_seeds({0: True, 1: True}, [0, 1, 2, 3], 2) == []


def test_verdicts_of_seeds_beyond_the_stop_change_nothing() -> None:
    for outcomes, seeds, least in cases():
        needed = one_after_the_other(outcomes, seeds, least)
        assert next_seeds(outcomes, seeds, least) == []
        for missing in needed:
            known = {seed: verdict for seed, verdict in outcomes.items() if seed != missing}
            assert next_seeds(known, seeds, least) == [missing]


@pytest.mark.parametrize(("seed", "values"), [(None, [0, 1, 2]), (0, [0, 1, 2]), (7, [7, 8, 9])])
def test_seeds_count_up_from_the_base_seed(seed: int | None, values: list[int]) -> None:
    assert seed_values(seed, 3) == values


# Which seeds have converged


@pytest.mark.parametrize(
    ("metric", "value", "verdict"),
    [
        ("correlation", 0.5, True),
        ("correlation", 0.49, False),
        ("correlation", -0.9, False),
        ("correlation", None, False),
        ("loss", 0.5, True),
        ("loss", 0.51, False),
        ("loss", 0.0, True),
        ("loss", None, False),
    ],
)
def test_a_seed_converges_when_its_metric_passes_the_threshold(metric: str, value: float | None, verdict: bool) -> None:
    found = evaluation(value, 9.0) if metric == "correlation" else evaluation(0.0, value)
    assert metric_of(found, metric) == value
    assert has_converged(found, metric, 0.5) is verdict


# Which seed is the best


def test_the_best_seed_has_the_highest_score_among_the_converged() -> None:
    assert select(runs(0.6, 0.9, 0.7), BY_CORRELATION)["best_seed"] == 1


def test_a_seed_that_has_not_converged_never_beats_one_that_has() -> None:
    tried = [
        SeedRun(0, "a", evaluation(0.99, loss=0.5), -0.5),
        SeedRun(1, "b", evaluation(0.10, loss=1e-4), -1e-4),
    ]
    report = select(tried, BY_LOSS)
    assert (report["best_seed"], report["convergent_count"]) == (1, 1)
    assert report["best_selection_score"] == 0.10


def test_without_a_converged_seed_the_best_of_all_is_taken() -> None:
    report = select(runs(-0.8, 0.3, None), BY_CORRELATION)
    assert (report["best_seed"], report["convergent_count"], report["best_selection_score"]) == (1, 0, 0.3)


def test_equal_scores_go_to_the_earlier_seed() -> None:
    assert select(runs(0.3, 0.8, 0.8), BY_CORRELATION)["best_seed"] == 1
    assert select(runs(None, None), BY_CORRELATION)["best_seed"] == 0


def test_seeds_without_a_score_come_last() -> None:
    assert select(runs(None, -0.9), BY_CORRELATION)["best_seed"] == 1
    assert select(runs(None, 0.0), BY_CORRELATION)["best_seed"] == 1


def test_without_encoder_scores_the_training_score_selects() -> None:
    tried = [SeedRun(i, "x", evaluation(None, loss), -loss) for i, loss in enumerate([3e-4, 1e-4, 2e-4])]
    report = select([*tried, SeedRun(3, "x", evaluation(None, 1e-5), None)], BY_LOSS)
    assert (report["best_seed"], report["best_selection_score"]) == (1, -1e-4)


def test_a_training_score_is_never_compared_with_an_encoder_score() -> None:
    tried = [SeedRun(0, "a", evaluation(None), 0.99), SeedRun(1, "b", evaluation(0.2), 0.3)]
    assert select(tried, BY_CORRELATION)["best_seed"] == 1


# The report


def test_the_report_has_exactly_the_keys_of_the_guide() -> None:
    report = select(runs(0.6, None), BY_CORRELATION)
    assert set(report) == REPORT_KEYS
    assert [run["seed"] for run in report["runs"]] == [0, 1]
    json.dumps(report, allow_nan=False)


def test_the_report_says_what_each_seed_did() -> None:
    run = SeedRun(4, "out/seeds/seed_4/model", evaluation(0.7, 2e-4), -1e-4, trained=False, used_cache=True)
    assert select([run], BY_LOSS)["runs"][0] == {
        "seed": 4,
        "output_dir": "out/seeds/seed_4/model",
        "trained": False,
        "used_cache": True,
        "training_score": -1e-4,
        "eval_correlation": 0.7,
        "selection_score": 0.7,
        "convergence_metric": "loss",
        "convergence_metric_value": 2e-4,
        "threshold": 1e-3,
        "converged": True,
    }


def test_the_report_says_why_trying_stopped_early() -> None:
    early = select(runs(0.1, 0.6), BY_CORRELATION)
    assert early["seeds_tried"] == [0, 1]
    assert early["early_stop_reason"] == "1 converged after 2 of at most 3 seeds, 1 required"
    assert select(runs(0.1, 0.2, 0.6), BY_CORRELATION)["early_stop_reason"] is None
    everything = dataclasses.replace(BY_CORRELATION, min_convergent_seeds=None)
    assert select(runs(0.9, 0.9, 0.6), everything)["early_stop_reason"] is None
    assert select(runs(0.1, 0.2), BY_CORRELATION)["early_stop_reason"] is None


def test_selecting_from_nothing_is_an_error() -> None:
    with pytest.raises(GradiendError, match="no seed"):
        select([], BY_CORRELATION)


# The stage


def stage_inputs(folder: Path, *correlations: float | None) -> dict[str, Any]:
    """Finished seeds, as train and evaluate_encoder leave them, as the keywords of the stage."""
    seeds = list(range(len(correlations)))
    for seed, value in zip(seeds, correlations, strict=True):
        model = folder / f"seed_{seed}" / "model"
        model.mkdir(parents=True)
        (model / "config.json").write_text(json.dumps({"of": seed}))
        (model / ".timestamp").touch()
        (folder / f"seed_{seed}" / "training.json").write_text(
            json.dumps({"training_score": 0.25, "loss": 1.0, "seed": seed})
        )
        content = evaluation(value) | {"seed": seed, "training_score": 0.25}
        (folder / f"seed_{seed}" / "evaluation.json").write_text(json.dumps(content))
    return {
        "evaluations": [folder / f"seed_{seed}" / "evaluation.json" for seed in seeds],
        "trainings": [folder / f"seed_{seed}" / "training.json" for seed in seeds],
        "report": folder / "seed_report.json",
        "best": folder / "best",
    }


def test_the_stage_copies_the_selected_model_and_writes_the_report(tmp_path: Path) -> None:
    inputs = stage_inputs(tmp_path, 0.2, 0.97, 0.6)
    line = select_seed.run(settings=BY_CORRELATION, **inputs)
    assert line == "select_seed: seed 1 of [0, 1, 2], correlation 0.97; 2 of 3 converged"
    assert [file.name for file in (tmp_path / "best").iterdir()] == ["config.json"]
    assert json.loads((tmp_path / "best" / "config.json").read_text()) == {"of": 1}
    report = json.loads((tmp_path / "seed_report.json").read_text())
    assert set(report) == REPORT_KEYS
    assert report["runs"][1]["output_dir"] == str(tmp_path / "seed_1" / "model")
    assert report["runs"][1]["training_score"] == 0.25


def test_the_stage_replaces_an_older_selection(tmp_path: Path) -> None:
    inputs = stage_inputs(tmp_path, 0.9)
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "training.json").touch()
    select_seed.run(settings=BY_CORRELATION, **inputs)
    assert [file.name for file in (tmp_path / "best").iterdir()] == ["config.json"]


def test_nothing_converged_is_a_warning_that_nobody_overlooks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inputs = stage_inputs(tmp_path, 0.31, None)
    line = select_seed.run(settings=BY_CORRELATION, **inputs)
    assert line.startswith("WARNING: no seed converged (correlation >= 0.5): took seed 0 of [0, 1], correlation 0.31")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "no seed converged" in caplog.text
    assert (tmp_path / "best" / "config.json").is_file()


def test_the_stage_is_a_command_with_exit_code_zero_even_without_convergence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = stage_inputs(tmp_path, None, 0.1)
    options = ["--settings", canonical(BY_CORRELATION)]
    for name, value in inputs.items():
        options += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    assert main(select_seed.run, options) == 0
    assert capsys.readouterr().out.startswith("WARNING: no seed converged")


def test_lists_of_unlike_lengths_are_refused(tmp_path: Path) -> None:
    inputs = stage_inputs(tmp_path, 0.9, 0.9)
    with pytest.raises(GradiendError, match="2 --evaluations and 1 --trainings"):
        select_seed.run(settings=BY_CORRELATION, **(inputs | {"trainings": inputs["trainings"][:1]}))


def test_the_evaluation_of_another_seed_is_refused(tmp_path: Path) -> None:
    inputs = stage_inputs(tmp_path, 0.9, 0.1)
    with pytest.raises(GradiendError, match=r"evaluation\.json: its seed is 1, that of .*training\.json is 0"):
        select_seed.run(settings=BY_CORRELATION, **(inputs | {"evaluations": inputs["evaluations"][::-1]}))


@pytest.mark.parametrize("name", ["loss", "training_score"])
def test_the_evaluation_of_another_run_is_refused(tmp_path: Path, name: str) -> None:
    inputs = stage_inputs(tmp_path, 0.9)
    write_json(inputs["trainings"][0], read_json(inputs["trainings"][0]) | {name: 0.125})
    with pytest.raises(
        GradiendError, match=rf"evaluation\.json: its {name} is .*, that of .*training\.json is 0\.125: "
    ):
        select_seed.run(settings=BY_CORRELATION, **inputs)
    assert not (tmp_path / "best").exists()


def test_a_missing_model_folder_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    inputs = stage_inputs(tmp_path, 0.9)
    (tmp_path / "seed_0" / "model").rename(tmp_path / "moved")
    with pytest.raises(GradiendError, match="seed_0/model: no such model folder"):
        select_seed.run(settings=BY_CORRELATION, **inputs)
    assert not (tmp_path / "best").exists()
    assert not (tmp_path / "seed_report.json").exists()


def test_selection_imports_nothing_heavy_and_no_stage_imports_transformers() -> None:
    steps = {
        "gradiend.selection": {"torch", "numpy", "pandas", "transformers"},
        "gradiend.stages.select_seed": {"torch", "transformers"},
        "gradiend.stages.evaluate_test": {"transformers"},  # and of evaluate_encoder, which it imports
    }
    code = "import sys\n" + "\n".join(f"import {module}; print(*sys.modules)" for module in steps)
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for line, heavy in zip(loaded.splitlines(), steps.values(), strict=True):
        assert not heavy & set(line.split())
