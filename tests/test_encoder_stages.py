"""The stages evaluate_encoder and evaluate_test: files in, files and one line out."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from encoder_rows import CLASSES, KEYS, both_ways, model_over, signs, sources, whole_space, write_store
from scipy import stats

from gradiend.baselines import mean_difference
from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json
from gradiend.gradients.rows import StoredRows
from gradiend.settings import EvaluateEncoder, canonical
from gradiend.space import ParameterSpace
from gradiend.stages import evaluate_encoder, evaluate_test
from gradiend.stages.command import main

SETTINGS = EvaluateEncoder(
    target_classes=list(CLASSES),
    source="alternative",
    supervised_decoder=False,
    max_size=None,
    encoder_eval_balance=False,
    seed=0,
    live=None,
)


def stage_inputs(folder: Path) -> dict[str, Any]:
    """Everything that stands before the evaluations in the pipeline: space, stores, model, training.json."""
    space = whole_space(["embed.weight"])
    for seed, split in enumerate(("train", "validation", "test")):
        write_store(folder / split, space, both_ways(20, identity=5), seed)
    write_store(folder / "neutral", space, [("neutral", "neutral")] * 9, seed=3)
    space.save(folder / "space.safetensors")
    training = {"seed": 1, "loss": 2e-5, "training_score": 0.75, "best_step": 4}
    model_over(space).save_pretrained(folder / "model", training)
    write_json(folder / "training.json", training)
    return {
        "model": folder / "model",
        "space": folder / "space.safetensors",
        "train_rows": folder / "train" / "rows.parquet",
        "validation_rows": folder / "validation" / "rows.parquet",
    }


def evaluate(folder: Path, settings: EvaluateEncoder = SETTINGS, **inputs: Any) -> tuple[str, dict[str, Any]]:
    out = folder / "evaluation.json"
    line = evaluate_encoder.run(
        settings=settings, seed=1, training=folder / "training.json", out=out, **(stage_inputs(folder) | inputs)
    )
    return line, json.loads(out.read_text())


def evaluate_splits(
    folder: Path, settings: EvaluateEncoder = SETTINGS, **inputs: Any
) -> tuple[str, dict[str, Any], pd.DataFrame]:
    given = stage_inputs(folder) | {"test_rows": folder / "test" / "rows.parquet"}
    given |= {"neutral_rows": folder / "neutral" / "rows.parquet"} | inputs
    files: dict[str, Any] = {
        "metrics": folder / "encoder" / "metrics.json",
        "encodings": folder / "encoder" / "encodings.parquet",
    }
    line = evaluate_test.run(settings=settings, **given, **files)
    return line, json.loads(files["metrics"].read_text()), pd.read_parquet(files["encodings"])


def test_the_evaluation_holds_the_metric_and_no_verdict(tmp_path: Path) -> None:
    line, found = evaluate(tmp_path)
    assert set(found) == KEYS | {"seed", "loss", "training_score"}
    assert (found["seed"], found["loss"], found["training_score"], found["n"]) == (1, 2e-5, 0.75, 45)
    low, high = found["correlation_interval"]
    beside = found["baselines"]
    assert line == (
        f"seed 1: correlation {found['correlation']:.2f} [{low:.2f}, {high:.2f}] on validation (n = 45; "
        f"mean difference {beside['mean_difference']:.2f}, without embeddings {beside['without_embeddings']:.2f})"
    )


def test_the_evaluation_is_of_the_validation_rows_and_the_direction_of_the_training_rows(tmp_path: Path) -> None:
    _, found = evaluate(tmp_path)
    space = ParameterSpace.load(tmp_path / "space.safetensors")
    rows, train = (StoredRows(tmp_path / split, space, split) for split in ("validation", "train"))
    encoded = model_over(space).encode(sources(rows, "alternative"))[:, 0].detach().numpy()
    expected = stats.pearsonr(encoded, signs(rows, "alternative")).statistic
    assert found["correlation"] == pytest.approx(expected, abs=1e-6)
    untrained = (sources(rows, "alternative") @ mean_difference(train, "alternative", CLASSES)).numpy()
    expected = stats.pearsonr(untrained, signs(rows, "alternative")).statistic
    assert found["baselines"]["mean_difference"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("max_size", "balanced", "counts"),
    [(None, True, [5, 5, 5]), (None, False, [20, 20, 5]), (10, True, [3, 3, 3]), (3, True, [1, 1, 1])],
)
def test_rows_are_capped_and_balanced(tmp_path: Path, max_size: int | None, balanced: bool, counts: list[int]) -> None:
    settings = dataclasses.replace(SETTINGS, max_size=max_size, encoder_eval_balance=balanced)
    _, found = evaluate(tmp_path, settings)
    assert sorted((block["n"] for block in found["classes"].values()), reverse=True) == counts
    assert found["n"] == sum(counts)


def test_a_cap_below_the_number_of_classes_is_an_error_that_names_the_least(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"encoder_eval_max_size.*: 2 leaves no example of 3 .*at least 3"):
        evaluate(tmp_path, dataclasses.replace(SETTINGS, max_size=2, encoder_eval_balance=True))


@pytest.mark.parametrize("run", [evaluate, evaluate_splits])
@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (
            "source",
            "factual",
            "of female and male, source 'alternative', the settings say female and male, source 'factual'",
        ),
        (
            "target_classes",
            ["male", "female"],
            "the settings say male and female, source 'alternative'; give .* or delete '.*model' and",
        ),
    ],
)
def test_a_gradiend_of_other_settings_is_not_evaluated(
    tmp_path: Path, run: Any, key: str, value: Any, says: str
) -> None:
    with pytest.raises(GradiendError, match=f"model/config.json: is a GRADIEND .*{says}"):
        run(tmp_path, dataclasses.replace(SETTINGS, **{key: value}))


def test_the_evaluation_does_not_depend_on_the_run(tmp_path: Path) -> None:
    assert evaluate(tmp_path / "a")[1] == evaluate(tmp_path / "b")[1]


def test_the_space_of_the_rows_is_by_default_that_of_the_gradiend(tmp_path: Path) -> None:
    assert evaluate(tmp_path / "a")[1] == evaluate(tmp_path / "b", space=None)[1]


def test_a_supervised_decoder_has_no_encoder_scores_and_needs_no_rows(tmp_path: Path) -> None:
    supervised = dataclasses.replace(SETTINGS, supervised_decoder=True)
    line, found = evaluate(tmp_path, supervised, train_rows=None, validation_rows=None)
    assert set(found) == KEYS | {"seed", "loss", "training_score"}
    assert (found["correlation"], found["loss"]) == (None, 2e-5)
    assert found["reason"] == "supervised_decoder: the encoder is not trained"
    assert line.startswith("seed 1: correlation null (supervised_decoder")


def test_rows_neither_stored_nor_computable_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"no validation rows: give --validation-rows, or --examples and settings"):
        evaluate(tmp_path, validation_rows=None)


def test_stored_rows_of_another_space_are_refused(tmp_path: Path) -> None:
    given = stage_inputs(tmp_path)
    whole_space().select(torch.arange(5)).save(given["space"])
    with pytest.raises(GradiendError, match="another kept space"):
        evaluate_encoder.run(
            settings=SETTINGS, seed=1, training=tmp_path / "training.json", out=tmp_path / "out.json", **given
        )
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("other", "said"),
    [({"seed": 2}, "is of seed 2, not 1: give the files of one seed"), ({"loss": 3e-5}, "is of another training than")],
)
def test_the_training_of_another_seed_or_run_is_refused(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    given = stage_inputs(tmp_path)
    write_json(tmp_path / "other.json", read_json(tmp_path / "training.json") | other)
    with pytest.raises(GradiendError, match=rf"other\.json: {said}"):
        evaluate_encoder.run(settings=SETTINGS, seed=1, training=tmp_path / "other.json", out=tmp_path / "out", **given)


def test_evaluate_encoder_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = stage_inputs(tmp_path) | {"training": tmp_path / "training.json", "out": tmp_path / "evaluation.json"}
    options = ["--settings", canonical(SETTINGS), "--seed", "1"]
    for name, path in given.items():
        options += [f"--{name.replace('_', '-')}", str(path)]
    assert main(evaluate_encoder.run, options) == 0
    assert capsys.readouterr().out.startswith("seed 1: correlation ")


def test_every_block_can_be_computed_again_from_the_encodings(tmp_path: Path) -> None:
    line, blocks, table = evaluate_splits(tmp_path)
    assert list(table) == ["example_id", "split", "factual_class", "alternative_class", "label", "encoded"]
    assert set(blocks) == {"validation", "test", "neutral"}
    for split in ("validation", "test"):
        own = table[table["split"] == split]
        assert len(own) == blocks[split]["n"] == 45
        expected = stats.pearsonr(own["encoded"], own["label"]).statistic
        assert blocks[split]["correlation"] == pytest.approx(expected, abs=1e-12)
    neutral = table[table["split"] == "neutral"]
    assert set(neutral["factual_class"]) == set(neutral["alternative_class"]) == {"neutral"}
    mean = blocks["neutral"]["classes"]["neutral"]["mean"]
    assert mean == pytest.approx(neutral["encoded"].mean(), abs=1e-12)
    assert line.startswith(f"evaluate_test: correlation {blocks['test']['correlation']:.2f} [")
    assert line.endswith(f"on test (n = 45), neutral mean {mean:.2f}")


def test_the_encodings_are_of_the_capped_rows(tmp_path: Path) -> None:
    capped = dataclasses.replace(SETTINGS, max_size=6, encoder_eval_balance=True)
    _, blocks, table = evaluate_splits(tmp_path, capped)
    assert table["split"].value_counts().to_dict() == {split: block["n"] for split, block in blocks.items()}
    assert [blocks[split]["n"] for split in ("validation", "test", "neutral")] == [6, 6, 6]


def test_validation_scores_of_both_stages_agree(tmp_path: Path) -> None:
    _, blocks, _ = evaluate_splits(tmp_path)
    _, found = evaluate(tmp_path)
    assert {key: found[key] for key in KEYS} == blocks["validation"]


def test_a_post_pruned_gradiend_is_evaluated_on_the_stored_rows(tmp_path: Path) -> None:
    kept = torch.tensor([0, 5, 12, 20, 33])
    pruned = model_over(whole_space(["embed.weight"])).select(kept)
    pruned.save_pretrained(tmp_path / "pruned")
    _, _, table = evaluate_splits(tmp_path, model=tmp_path / "pruned")
    rows = StoredRows(tmp_path / "test", ParameterSpace.load(tmp_path / "space.safetensors"), "test")
    expected = pruned.encode(sources(rows, "alternative")[:, kept])[:, 0].detach()
    assert table["encoded"][table["split"] == "test"].to_numpy() == pytest.approx(expected.numpy(), abs=1e-6)


@pytest.mark.parametrize("empty_store", [False, True])
def test_without_neutral_texts_their_block_is_null_with_a_reason(tmp_path: Path, empty_store: bool) -> None:
    write_store(tmp_path / "empty" / "neutral", whole_space(), [])
    rows = tmp_path / "empty" / "neutral" / "rows.parquet" if empty_store else None
    line, blocks, table = evaluate_splits(tmp_path, neutral_rows=rows)
    assert (blocks["neutral"]["n"], blocks["neutral"]["reason"]) == (0, "no neutral texts")
    assert set(table["split"]) == {"validation", "test"}
    assert line.endswith("on test (n = 45)")


def test_a_supervised_decoder_has_no_encodings(tmp_path: Path) -> None:
    supervised = dataclasses.replace(SETTINGS, supervised_decoder=True)
    nothing = dict.fromkeys(("train_rows", "validation_rows", "test_rows", "neutral_rows"))
    _, blocks, table = evaluate_splits(tmp_path, supervised, **nothing)
    assert {block["reason"] for block in blocks.values()} == {"supervised_decoder: the encoder is not trained"}
    assert len(table) == 0
    full = evaluate_splits(tmp_path / "full")[2]
    assert table.dtypes.to_dict() == full.dtypes.to_dict()
