"""From importance to kept entries: exact and deterministic."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gradiend.errors import GradiendError
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.pruning import PARTS, kept_positions, weight_importance
from gradiend.space import ParameterSpace

VALUES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1e-30, 3e38]), min_size=1, max_size=40)


def by_sorting(values: list[float], count: int) -> list[int]:
    return sorted(sorted(range(len(values)), key=lambda i: (-values[i], i))[:count])


@settings(max_examples=150, deadline=None)
@given(VALUES, st.data())
def test_topk_keeps_the_largest_with_ties_to_the_lower_position(values: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    assert kept_positions(torch.tensor(values), count, None).tolist() == by_sorting(values, count)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.floats(0.001, 1.0))
def test_a_fraction_keeps_its_share_and_at_least_one(values: list[float], fraction: float) -> None:
    kept = kept_positions(torch.tensor(values), fraction, None)
    assert kept.tolist() == by_sorting(values, max(1, round(fraction * len(values))))


def test_one_is_a_count_and_one_point_zero_is_all() -> None:
    values = torch.tensor([1.0, 3.0, 2.0])
    assert kept_positions(values, 1, None).tolist() == [1]
    assert kept_positions(values, 1.0, None).tolist() == [0, 1, 2]


def test_a_threshold_keeps_what_reaches_it() -> None:
    values = torch.tensor([0.1, 0.5, 0.0999, 0.3])
    assert kept_positions(values, None, 0.1).tolist() == [0, 1, 3]
    assert kept_positions(values, None, 0.0).tolist() == [0, 1, 2, 3]


def test_without_topk_and_threshold_all_are_kept() -> None:
    assert kept_positions(torch.zeros(3), None, None).tolist() == [0, 1, 2]


def test_what_is_kept_is_exact_among_a_million_with_ties() -> None:
    values = torch.randint(0, 50, (1_000_000,), generator=torch.Generator().manual_seed(0)).float()
    kept = kept_positions(values, 12_345, None)
    expected = torch.sort(values, descending=True, stable=True).indices[:12_345].sort().values
    assert torch.equal(kept, expected)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_an_importance_that_is_not_finite_is_an_error(wrong: float) -> None:
    for topk, threshold in ((1, None), (0.5, None), (None, 0.1)):
        with pytest.raises(GradiendError, match="NaN or infinity"):
            kept_positions(torch.tensor([1.0, wrong]), topk, threshold)


def test_nothing_to_keep_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(GradiendError, match=r"threshold 0\.5 keeps nothing: the largest importance is 0\.25"):
        kept_positions(torch.tensor([0.25, 0.125]), None, 0.5)
    with pytest.raises(GradiendError, match="topk 3 is more than the 2 entries there are"):
        kept_positions(torch.tensor([0.25, 0.125]), 3, None)


def gradiend(bias_decoder: bool = True) -> GradiendModel:
    """Two latents over three entries, with weights to calculate with."""
    config = GradiendConfig(("a", "b"), latent_dim=2, bias_decoder=bias_decoder)
    model = GradiendModel(ParameterSpace.of({"w": torch.empty(3)}), config)
    weights = {
        "encoder.weight": torch.tensor([[1.0, -2.0, 3.0], [-1.0, 0.5, 0.0]]),
        "encoder.bias": torch.tensor([100.0, 100.0]),
        "decoder.weight": torch.tensor([[1.0, -4.0], [0.25, 0.5], [-2.0, 2.0]]),
    }
    model.load_state_dict(weights | ({"decoder.bias": torch.tensor([-1.0, 0.125, 8.0])} if bias_decoder else {}))
    return model


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("encoder-weight", [2.0, 2.5, 3.0]),
        ("decoder-weight", [5.0, 0.75, 4.0]),
        ("decoder-bias", [1.0, 0.125, 8.0]),
        ("decoder-sum", [4.0, 0.875, 8.0]),
    ],
)
def test_the_importance_of_trained_weights_by_hand(part: str, expected: list[float]) -> None:
    found: Tensor = weight_importance(gradiend(), part)
    assert found.tolist() == expected
    assert not found.requires_grad


def test_every_part_of_the_guide_has_an_importance() -> None:
    assert set(PARTS) == {"encoder-weight", "decoder-weight", "decoder-bias", "decoder-sum"}


@pytest.mark.parametrize("part", ["decoder-bias", "decoder-sum"])
def test_a_part_with_a_bias_needs_a_decoder_bias(part: str) -> None:
    with pytest.raises(GradiendError, match="needs a decoder bias"):
        weight_importance(gradiend(bias_decoder=False), part)
    assert weight_importance(gradiend(bias_decoder=False), "decoder-weight").tolist() == [5.0, 0.75, 4.0]
