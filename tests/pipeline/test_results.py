"""What a finished experiment leaves: the files, their content, and how they fit together."""

import json
import math
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from experiment import Experiment
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from gradiend.backbones.masked_lm import MaskedLM
from gradiend.gradients.capture import Capture
from gradiend.gradients.live import encode_pairs
from gradiend.model import GradiendModel
from gradiend.space import ParameterSpace

pytestmark = pytest.mark.xdist_group("staleness")

SEED_REPORT = [
    "convergence_metric",
    "threshold",
    "min_convergent_seeds",
    "max_seeds",
    "seeds_tried",
    "convergent_count",
    "best_seed",
    "best_selection_score",
    "early_stop_reason",
    "runs",
]
SEED_RUN = [
    "seed",
    "output_dir",
    "trained",
    "used_cache",
    "training_score",
    "eval_correlation",
    "selection_score",
    "convergence_metric",
    "convergence_metric_value",
    "threshold",
    "converged",
]
METRICS = ["correlation", "correlation_interval", "p_value", "reason", "balanced_accuracy", "n", "classes", "baselines"]


def read(experiment: Experiment, *parts: str) -> Any:
    return json.loads(experiment.path(*parts).read_text(encoding="utf-8"))


def base_model(experiment: Experiment, folder: str = "model") -> MaskedLM:
    path = experiment.folder / folder
    return MaskedLM(AutoModelForMaskedLM.from_pretrained(path), AutoTokenizer.from_pretrained(path))


def test_every_file_of_the_contract_is_there(finished: Experiment) -> None:
    files = [
        "data/examples.parquet",
        "data/neutral.parquet",
        "data/summary.json",
        "pruning/importance.safetensors",
        "pruning/space.safetensors",
        "gradients/train/shard-0.safetensors",
        "gradients/test/rows.parquet",
        "gradients/validation/rows.parquet",
        "gradients/neutral/shard-0.safetensors",
        "seeds/seed_0/model/model.safetensors",
        "seeds/seed_1/model/training.json",
        "seeds/seed_0/evaluation.json",
        "seeds/seed_report.json",
        "seeds/best/model.safetensors",
        "seeds/best/space.safetensors",
        "seeds/best/config.json",
        "model/model.safetensors",
        "model/space.safetensors",
        "model/config.json",
        "encoder/metrics.json",
        "encoder/encodings.parquet",
        "decoder/grid.parquet",
        "decoder/lms_positions.parquet",
        "decoder/summary.json",
        "rewritten/summary.json",
        "rewritten/predictions.parquet",
        "report.html",
        "report.json",
        "plots/config.yaml",
    ]
    assert [file for file in files if not finished.path(file).is_file()] == []
    figures = {path.stem for path in finished.path("plots").glob("*.svg")}
    assert len(figures) > 10 and figures == {path.stem for path in finished.path("plots").glob("*.csv")}


def test_tables_have_the_columns_of_the_contract(finished: Experiment) -> None:
    examples = ["id", "split", "masked", "factual", "alternative", "factual_class", "alternative_class", "batch"]
    assert list(finished.table("data", "examples.parquet")) == examples
    rows = ["shard", "position", "example_ids", "factual_class", "alternative_class"]
    assert list(finished.table("gradients", "train", "rows.parquet")) == rows
    encodings = ["example_id", "split", "factual_class", "alternative_class", "label", "encoded"]
    assert list(finished.table("encoder", "encodings.parquet")) == encodings
    assert list(finished.table("decoder", "lms_positions.parquet")) == ["text_id", "pattern", "position", "token_id"]
    predictions = ["target_class", "direction", "example_id", "rank", "token", "probability"]
    assert list(finished.table("rewritten", "predictions.parquet")) == predictions
    grid = [
        "target_class",
        "direction",
        "feature_factor",
        "learning_rate",
        "refined",
        "split",
        "lms",
        "lms_se",
        "passes",
        "p_female_on_male",
    ]
    assert set(grid) <= set(finished.table("decoder", "grid.parquet"))


def test_json_files_have_the_keys_of_the_contract(finished: Experiment) -> None:
    report = read(finished, "seeds", "seed_report.json")
    assert sorted(report) == sorted(SEED_REPORT)
    assert all(sorted(run) == sorted(SEED_RUN) for run in report["runs"])
    assert report["seeds_tried"] == [0, 1] and report["convergent_count"] == 2
    metrics = read(finished, "encoder", "metrics.json")
    assert sorted(metrics) == ["neutral", "test", "validation"]
    assert all(sorted(block) == sorted(METRICS) for block in metrics.values())
    assert set(METRICS) <= set(read(finished, "seeds", "seed_0", "evaluation.json"))
    training = read(finished, "seeds", "seed_0", "model", "training.json")
    assert {"curves", "arguments", "best_step", "training_score"} <= set(training)
    assert set(training["curves"][0]) == {"step", "epoch", "loss", "correlation", "mean_by_class"}
    summary = read(finished, "decoder", "summary.json")
    assert set(summary["base"]) == {"validation", "test"}
    assert set(summary["female"]) == {"strengthen", "weaken"}
    chosen = summary["female"]["strengthen"]
    assert {"learning_rate", "feature_factor", "validation", "test", "reason"} <= set(chosen)


def _not_json(path: Path, name: str) -> None:
    raise AssertionError(f"{path}: {name}")


def test_no_json_holds_nan(finished: Experiment) -> None:
    for path in finished.path().rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=partial(_not_json, path))


def test_stored_rows_are_the_gradients_of_the_base_model(finished: Experiment) -> None:
    base, space = base_model(finished), ParameterSpace.load(finished.path("pruning", "space.safetensors"))
    examples = finished.table("data", "examples.parquet").set_index("id", drop=False)
    capture = Capture(base, space)
    for split in ("train", "test"):
        table = finished.table("gradients", split, "rows.parquet")
        stored = load_file(finished.path("gradients", split, "shard-0.safetensors"))
        for row in table.head(5).itertuples():
            pairs = [pair for pair in encode_pairs(base, examples.loc[list(row.example_ids)]) if pair is not None]
            for found, wanted in zip(capture.batch_row(pairs), ("factual", "alternative"), strict=True):
                kept = stored[wanted][row.position]
                assert float((found - kept).norm() / kept.norm()) < 1e-5


def test_encodings_are_what_the_model_gives_for_the_stored_rows(finished: Experiment) -> None:
    model = GradiendModel.from_pretrained(finished.path("model"))
    rows_space = ParameterSpace.load(finished.path("pruning", "space.safetensors"))
    stored = load_file(finished.path("gradients", "test", "shard-0.safetensors"))["alternative"]
    table = finished.table("gradients", "test", "rows.parquet")
    with torch.no_grad():
        encoded = model.encode(stored[:, model.space.positions_in(rows_space)])[:, 0].numpy()
    by_id = {row.example_ids[0]: encoded[row.position] for row in table.itertuples()}
    encodings = finished.table("encoder", "encodings.parquet").query("split == 'test'")
    np.testing.assert_allclose(encodings["encoded"], [by_id[i] for i in encodings["example_id"]], atol=1e-5)
    correlation = np.corrcoef(encodings["encoded"], encodings["label"])[0, 1]
    assert read(finished, "encoder", "metrics.json")["test"]["correlation"] == pytest.approx(correlation)


def test_the_lms_is_the_accuracy_at_the_recorded_positions(finished: Experiment) -> None:
    base, neutral = base_model(finished), finished.table("data", "neutral.parquet").set_index("id")
    positions = finished.table("decoder", "lms_positions.parquet")
    right: dict[str, list[bool]] = {"validation": [], "test": []}
    for (text_id, _), group in positions.groupby(["text_id", "pattern"]):
        ids = torch.tensor([base.tokenizer(neutral.loc[text_id, "text"])["input_ids"]])
        where, tokens = torch.tensor(group["position"].tolist()), torch.tensor(group["token_id"].tolist())
        assert torch.equal(ids[0, where], tokens)
        ids[0, where] = base.tokenizer.mask_token_id
        with torch.no_grad():
            top = base.model(input_ids=ids).logits[0, where].argmax(-1)
        right[neutral.loc[text_id, "split"]] += (top == tokens).tolist()
    summary = read(finished, "decoder", "summary.json")
    for split, own in right.items():
        assert summary["base"][split]["lms"] == pytest.approx(np.mean(own))
        assert summary["base"][split]["lms_tokens"] == len(own)


def test_rewritten_models_load_and_differ_in_kept_entries_alone(finished: Experiment) -> None:
    written = read(finished, "rewritten", "summary.json")
    model = GradiendModel.from_pretrained(finished.path("model"))
    before = base_model(finished).parameters()
    folders = 0
    for directions in written.values():
        for choice in directions.values():
            if choice["folder"] is None:
                assert choice["reason"]
                continue
            folders += 1
            rewritten = base_model(finished, f"out/rewritten/{choice['folder']}")
            update = choice["learning_rate"] * model.update(choice["feature_factor"])
            expected = model.space.gather(before) + update
            torch.testing.assert_close(model.space.gather(rewritten.parameters()), expected)
            model.space.write_(rewritten.parameters(), model.space.gather(before))
            assert all(torch.equal(before[name], tensor) for name, tensor in rewritten.parameters().items())
    assert folders


def test_the_chosen_rewrites_do_on_test_what_they_are_for(finished: Experiment) -> None:
    summary = read(finished, "decoder", "summary.json")
    base = summary["base"]["validation"]
    for name, other in (("female", "male"), ("male", "female")):
        strengthened, weakened = summary[name]["strengthen"]["validation"], summary[name]["weaken"]["validation"]
        if strengthened:
            assert strengthened[f"p_{name}_on_{other}"] > base[f"p_{name}_on_{other}"]
            assert strengthened["lms"] >= 0.99 * base["lms"]
        if weakened:
            assert weakened[f"p_{name}_on_{name}"] < base[f"p_{name}_on_{name}"]


def test_every_batch_is_one_row_and_every_example_one(finished: Experiment) -> None:
    examples = finished.table("data", "examples.parquet")
    train = finished.table("gradients", "train", "rows.parquet")
    for number, ids in enumerate(train["example_ids"]):
        assert sorted(ids) == sorted(examples.loc[examples["batch"] == number, "id"])
    for split in ("validation", "test"):
        table = finished.table("gradients", split, "rows.parquet")
        assert [list(ids) for ids in table["example_ids"]] == [
            [i] for i in examples.loc[examples["split"] == split, "id"]
        ]


def test_the_space_file_says_what_it_is(finished: Experiment) -> None:
    with safe_open(finished.path("pruning", "space.safetensors"), framework="pt") as file:
        metadata = json.loads(file.metadata()["space"])
        names = list(file.keys())
    assert [name for name, _ in metadata["shapes"]] == list(base_model(finished).parameters())
    assert sorted(names) == sorted(base_model(finished).parameters())
    assert re.fullmatch(r"[0-9a-f]{64}", metadata["digest"])


def test_every_job_has_a_log_and_a_benchmark(finished: Experiment) -> None:
    logs = {path.stem for path in finished.path("logs").glob("*.log")}
    benchmarks = {path.stem for path in finished.path("benchmarks").iterdir()}
    assert logs == benchmarks and {"prepare_data", "train-0", "train-1", "evaluate_encoder-1", "report"} <= logs


def test_models_say_what_made_them(finished: Experiment) -> None:
    made_by = read(finished, "model", "config.json")["made_by"]
    assert made_by["base_model"] == "model" and re.fullmatch(r"[0-9a-f]{64}", made_by["base_model_digest"])
    assert made_by["arguments"]["max_steps"] == 40 and made_by["version"]


def test_encodings_of_the_splits_hold_no_duplicate(finished: Experiment) -> None:
    encodings: pd.DataFrame = finished.table("encoder", "encodings.parquet")
    assert not encodings.duplicated(["split", "example_id"]).any()
    assert Counter(encodings["split"])["neutral"] > 0
    assert all(math.isfinite(value) for value in encodings["encoded"])
