"""Where in the model it sits: by layer and component, and the largest entries."""

import numpy as np
import pytest
import torch
from report_runs import space

from gradiend.report.entries import largest, shares_of_norm
from gradiend.report.pictures_weights import shares_by_layer


def test_layers_and_components_come_from_any_models_names() -> None:
    bert = shares_by_layer({"bert.embeddings.w.weight": 0.1, "bert.encoder.layer.11.output.dense.bias": 0.5})
    assert bert.columns.tolist() == ["\u2013", 11] and bert.index.tolist() == ["embeddings.w", "output.dense (bias)"]
    gpt2 = shares_by_layer({"wte.weight": 0.0, "h.0.attn.c_attn.weight": 0.5, "h.1.attn.c_attn.weight": 1.0})
    assert gpt2.loc["attn.c_attn"].dropna().to_dict() == {0: 0.5, 1: 1.0}
    t5 = shares_by_layer({"encoder.block.0.layer.0.q.weight": 0.5, "decoder.block.0.layer.0.q.weight": 1.0})
    assert sorted(t5.index) == ["decoder: layer.0.q", "encoder: layer.0.q"]


def test_the_shares_of_the_norm_are_those_of_the_dense_weights() -> None:
    kept, weights = space(), np.random.default_rng(0).normal(size=space().input_dim)
    dense = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in kept.shapes.items()}
    kept.write_(dense, torch.tensor(weights))
    total = sum(float(tensor.square().sum()) for tensor in dense.values())
    found = shares_of_norm(kept, weights)
    assert sum(found.values()) == pytest.approx(1)
    for name, tensor in dense.items():
        assert found[name] == pytest.approx(float(tensor.square().sum()) / total)


def test_the_largest_entries_are_named_by_their_place_in_the_parameter() -> None:
    kept, weights = space(), np.random.default_rng(0).normal(size=space().input_dim)
    dense = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in kept.shapes.items()}
    kept.write_(dense, torch.tensor(weights))
    table = largest(kept, weights, 30)
    assert table["weight"].abs().is_monotonic_decreasing and len(table) == 30
    for row in table.itertuples():
        index = tuple(int(i) for i in row.index.split(", "))
        assert float(dense[row.parameter][index]) == row.weight
    assert abs(table["weight"].iloc[0]) == max(float(tensor.abs().max()) for tensor in dense.values())


def test_without_any_weight_there_is_no_share() -> None:
    assert shares_of_norm(space(), np.zeros(space().input_dim)) == {}
