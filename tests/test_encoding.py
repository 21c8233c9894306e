"""Rows of a split -> encoded values -> metrics with baselines; of real stores."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_rows import CLASSES, KEYS, SOURCES, both_ways, model_over, signs, sources, whole_space, write_store
from scipy import stats

from gradiend.arguments import Activation
from gradiend.baselines import mean_difference
from gradiend.encoding import (
    Encoding,
    encode,
    encode_neutral,
    encode_split,
    in_words,
    metrics_of,
    neutral_metrics_of,
    no_metrics,
    nothing_encoded,
    project,
)
from gradiend.errors import GradiendError
from gradiend.gradients.rows import StoredRows
from gradiend.model import GradiendModel


def encoding_of(model: GradiendModel, rows: StoredRows, source: str = "alternative") -> Encoding:
    direction = mean_difference(rows, source, CLASSES)
    every = range(len(rows.table))
    return encode_split(model, rows, every, source=source, target_classes=CLASSES, direction=direction)


@pytest.fixture
def rows(tmp_path: Path) -> StoredRows:
    return write_store(tmp_path / "rows", whole_space(), both_ways(15, identity=6))


# Encoded values


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("activation", ["tanh", "id", "smht", "sigmoid"])
def test_encoded_values_are_those_of_the_model(rows: StoredRows, source: str, activation: Activation) -> None:
    model = model_over(rows.space, activation_encoder=activation)
    expected = model.encode(sources(rows, source))[:, 0].detach().double()
    encoded = encode(model, rows, range(len(rows.table)), source)
    assert encoded.dtype == np.float64
    assert encoded == pytest.approx(expected.numpy(), abs=1e-6)


def test_rows_are_encoded_in_the_order_asked_for(rows: StoredRows) -> None:
    model = model_over(rows.space)
    every = encode(model, rows, range(len(rows.table)), "factual")
    assert encode(model, rows, [7, 0, 12, 13, 3], "factual") == pytest.approx(every[[7, 0, 12, 13, 3]], abs=1e-6)
    assert encode(model, rows, [], "factual").shape == (0,)


def test_the_encoded_value_is_the_configured_latent(rows: StoredRows) -> None:
    model = model_over(rows.space, latent_dim=3, latent=2)
    expected = model.encode(sources(rows, "diff"))[:, 2].detach()
    assert encode(model, rows, range(len(rows.table)), "diff") == pytest.approx(expected.numpy(), abs=1e-6)


def test_a_post_pruned_gradiend_reads_only_its_own_entries(rows: StoredRows) -> None:
    kept = torch.tensor([0, 3, 11, 12, 29, 33])
    pruned = model_over(rows.space).select(kept)
    expected = pruned.encode(sources(rows, "factual")[:, kept])[:, 0].detach()
    assert encode(pruned, rows, range(len(rows.table)), "factual") == pytest.approx(expected.numpy(), abs=1e-6)


def test_rows_that_lack_an_entry_of_the_gradiend_are_refused(tmp_path: Path) -> None:
    space = whole_space()
    rows = write_store(tmp_path, space.select(torch.arange(10)), both_ways(2))
    with pytest.raises(GradiendError, match=r"layer\.weight"):
        encode(model_over(space), rows, [0], "factual")


def test_several_directions_are_projected_in_one_reading(rows: StoredRows) -> None:
    directions = torch.randn(3, rows.space.input_dim, generator=torch.Generator().manual_seed(0))
    found = project(rows, [4, 5, 6], directions, "diff")
    expected = sources(rows, "diff")[4:7].double() @ directions.double().T
    assert found == pytest.approx(expected.numpy(), abs=1e-5)


# Baselines


@pytest.mark.parametrize("source", SOURCES)
def test_mean_difference_is_the_label_signed_mean_of_the_source_rows(rows: StoredRows, source: str) -> None:
    labelled = [sign * row for sign, row in zip(signs(rows, source), sources(rows, source).numpy(), strict=True)]
    found = mean_difference(rows, source, CLASSES)
    assert found.numpy() == pytest.approx(sum(labelled) / len(rows.table), abs=1e-6)


def test_identity_rows_do_not_turn_the_mean_difference(tmp_path: Path) -> None:
    with_identity = write_store(tmp_path / "a", whole_space(), [*both_ways(4), ("other", "other")])
    direction = mean_difference(with_identity, "factual", CLASSES)
    expected = torch.from_numpy(signs(with_identity, "factual")).float() @ sources(with_identity, "factual")
    assert torch.cosine_similarity(direction, expected, dim=0) == pytest.approx(1)


def test_mean_difference_without_labelled_rows_is_zero(tmp_path: Path) -> None:
    rows = write_store(tmp_path, whole_space(), [("other", "other")] * 3)
    assert not mean_difference(rows, "diff", CLASSES).any()


@pytest.mark.parametrize("source", SOURCES)
def test_the_mean_difference_baseline_is_its_correlation(rows: StoredRows, source: str) -> None:
    direction = mean_difference(rows, source, CLASSES)
    expected = stats.pearsonr((sources(rows, source) @ direction).numpy(), signs(rows, source)).statistic
    found = metrics_of(encoding_of(model_over(rows.space), rows, source), seed=0)["baselines"]
    assert found["mean_difference"] == pytest.approx(expected, abs=1e-5)


def test_a_post_pruned_gradiend_is_compared_on_its_own_entries(rows: StoredRows) -> None:
    kept = torch.tensor([2, 9, 10, 20, 30])
    direction = mean_difference(rows, "diff", CLASSES)[kept]
    expected = stats.pearsonr((sources(rows, "diff")[:, kept] @ direction).numpy(), signs(rows, "diff")).statistic
    found = metrics_of(encoding_of(model_over(rows.space).select(kept), rows, "diff"), seed=0)["baselines"]
    assert found["mean_difference"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kept", [None, [1, 4, 9, 10, 15, 33]])
def test_without_embeddings_is_the_score_with_their_weights_zero(tmp_path: Path, kept: list[int] | None) -> None:
    space = whole_space(["embed.weight", "lm_head.weight"])
    rows = write_store(tmp_path, space, both_ways(10))
    entries = torch.arange(space.input_dim) if kept is None else torch.tensor(kept)
    model = model_over(space).select(entries)
    found = metrics_of(encoding_of(model, rows), seed=0)["baselines"]["without_embeddings"]
    with torch.no_grad():
        model.encoder.weight[:, entries < 10] = 0
        encoded = model.encode(sources(rows, "alternative")[:, entries])[:, 0]
    assert found == pytest.approx(stats.pearsonr(encoded.numpy(), signs(rows, "alternative")).statistic, abs=1e-5)


@pytest.mark.parametrize("embeddings", [None, [], ["lm_head.weight"]])
def test_without_embeddings_in_the_space_both_scores_are_the_same(tmp_path: Path, embeddings: list[str] | None) -> None:
    rows = write_store(tmp_path, whole_space(embeddings), both_ways(10))
    found = metrics_of(encoding_of(model_over(rows.space), rows), seed=0)
    assert found["baselines"]["without_embeddings"] == found["correlation"]


def test_a_space_of_embeddings_alone_has_no_score_without_them_and_says_so(tmp_path: Path) -> None:
    rows = write_store(tmp_path, whole_space(["embed.weight"]), both_ways(10))
    found = metrics_of(encoding_of(model_over(rows.space).select(torch.arange(10)), rows), seed=0)
    assert found["correlation"] is not None
    assert found["baselines"]["without_embeddings"] is None
    assert found["reason"] == "without_embeddings: every kept entry belongs to the embeddings"


# Blocks of metrics


@pytest.mark.parametrize("source", SOURCES)
def test_a_block_has_exactly_its_keys_and_the_score_of_scipy(rows: StoredRows, source: str) -> None:
    model = model_over(rows.space)
    found = metrics_of(encoding_of(model, rows, source), seed=0)
    assert set(found) == KEYS
    encoded = model.encode(sources(rows, source))[:, 0].detach().numpy()
    assert found["correlation"] == pytest.approx(stats.pearsonr(encoded, signs(rows, source)).statistic, abs=1e-6)
    low, high = found["correlation_interval"]
    assert low <= found["correlation"] <= high
    assert (found["n"], found["reason"]) == (36, None)


@pytest.mark.parametrize(("source", "own"), [("alternative", "alternative_class"), ("diff", "factual_class")])
def test_classes_are_those_that_the_source_gradients_speak_for(tmp_path: Path, source: str, own: str) -> None:
    rows = write_store(tmp_path, whole_space(), [CLASSES] * 5 + [CLASSES[::-1]] * 3 + [("other", "other")] * 2)
    found = encoding_of(model_over(rows.space), rows, source)
    blocks = metrics_of(found, seed=0)["classes"]
    assert {name: block["n"] for name, block in blocks.items()} == rows.table[own].value_counts().to_dict()
    for name, block in blocks.items():
        values = found.table["encoded"][rows.table[own] == name]
        assert (block["mean"], block["std"]) == pytest.approx((values.mean(), values.std(ddof=0)))


def test_an_encoding_lists_examples_labels_and_values(rows: StoredRows) -> None:
    table = encoding_of(model_over(rows.space), rows).table
    assert list(table) == ["example_id", "factual_class", "alternative_class", "label", "encoded"]
    assert table["example_id"].tolist() == list(range(100, 136))
    assert table["label"].tolist() == signs(rows, "alternative").tolist()


def test_saturated_encodings_have_no_score_but_a_reason(rows: StoredRows) -> None:
    model = model_over(rows.space)
    with torch.no_grad():
        model.encoder.bias.fill_(40.0)
    found = metrics_of(encoding_of(model, rows), seed=0)
    assert (found["correlation"], found["correlation_interval"], found["p_value"]) == (None, None, None)
    assert found["reason"] == "constant encodings: all 36 are 1"
    assert found["balanced_accuracy"] == 0.5
    assert found["baselines"]["mean_difference"] is not None


def test_rows_of_one_transition_have_no_score_but_a_reason(tmp_path: Path) -> None:
    rows = write_store(tmp_path, whole_space(), [CLASSES] * 5)
    found = metrics_of(encoding_of(model_over(rows.space), rows), seed=0)
    assert (found["correlation"], found["balanced_accuracy"]) == (None, None)
    assert found["reason"] == "only one label: all 5 rows have label -1"
    assert found["baselines"] == {"mean_difference": None, "without_embeddings": None}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_diverged_gradiend_gives_null_and_valid_json(rows: StoredRows, number: float) -> None:
    model = model_over(rows.space, activation_encoder="id")
    with torch.no_grad():
        model.encoder.weight[0, 3] = number
    found = metrics_of(encoding_of(model, rows), seed=0)
    assert found["correlation"] is None
    assert "an encoded value is NaN or infinite" in found["reason"]
    assert found["classes"]["female"] == {"n": 15} | dict.fromkeys(("mean", "std", "q25", "q50", "q75"))
    json.dumps(found, allow_nan=False)


def test_blocks_of_nothing_have_the_same_keys() -> None:
    for found in (no_metrics("because"), metrics_of(nothing_encoded_split(), seed=0)):
        assert set(found) == KEYS
        assert (found["n"], found["classes"], found["correlation"]) == (0, {}, None)
        json.dumps(found, allow_nan=False)


def nothing_encoded_split() -> Encoding:
    return dataclasses.replace(
        nothing_encoded(), baselines={"mean_difference": np.empty(0), "without_embeddings": np.empty(0)}
    )


def test_a_block_in_words() -> None:
    block = no_metrics("constant") | {"correlation_interval": [0.951, 0.98]}
    assert in_words(block) == "correlation null (constant)"
    assert in_words(block | {"correlation": 0.966}) == "correlation 0.97 [0.95, 0.98]"


# Neutral texts


def test_neutral_texts_are_encoded_by_their_factual_gradient(tmp_path: Path) -> None:
    rows = write_store(tmp_path, whole_space(), [("neutral", "neutral")] * 7)
    model = model_over(rows.space)
    encoding = encode_neutral(model, rows, range(7))
    expected = model.encode(torch.stack([rows.pair(i)[0] for i in range(7)]))[:, 0].detach()
    assert encoding.table["encoded"].to_numpy() == pytest.approx(expected.numpy(), abs=1e-6)
    assert set(encoding.table["label"]) == {0.0}
    found = neutral_metrics_of(encoding)
    assert set(found) == KEYS
    assert (found["correlation"], found["reason"]) == (None, "neutral texts have no label")
    assert found["classes"]["neutral"]["mean"] == pytest.approx(float(expected.mean()), abs=1e-6)
    assert found["classes"]["neutral"]["n"] == found["n"] == 7


def test_neutral_texts_never_use_an_alternative_gradient(rows: StoredRows) -> None:
    model = model_over(rows.space)
    found = encode_neutral(model, rows, [0, 1, 2]).table["encoded"]
    assert found.to_numpy() == pytest.approx(encode(model, rows, [0, 1, 2], "factual"), abs=1e-6)


def test_no_neutral_texts_have_a_reason() -> None:
    found = neutral_metrics_of(nothing_encoded())
    assert (found["n"], found["classes"], found["reason"]) == (0, {}, "no neutral texts")
