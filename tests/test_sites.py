"""The rule of each kind of module equals autograd, group by group, and there is none for modules it does not know."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.models.gemma.modeling_gemma import GemmaTextScaledWordEmbedding
from transformers.models.mistral.modeling_mistral import MistralRMSNorm
from transformers.models.t5.modeling_t5 import T5LayerNorm
from transformers.pytorch_utils import Conv1D

from gradiend.gradients import sites
from gradiend.gradients.sites import DENSE_FROM, batched_matrix, site_for

GROUPS, POSITIONS, WIDTH = 3, 5, 6


def double(module: nn.Module) -> nn.Module:
    """In float64, every weight drawn anew."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module


MODULES: dict[str, Any] = {
    "Linear": lambda: nn.Linear(WIDTH, 7),
    "Linear without bias": lambda: nn.Linear(WIDTH, 7, bias=False),
    "Conv1D": lambda: Conv1D(7, WIDTH),
    "LayerNorm": lambda: nn.LayerNorm(WIDTH, eps=1e-2),
    "LayerNorm without bias": lambda: nn.LayerNorm(WIDTH, bias=False),
    "Embedding": lambda: nn.Embedding(9, WIDTH),
    "Embedding with padding": lambda: nn.Embedding(9, WIDTH, padding_idx=4),
    "scaled embedding": lambda: GemmaTextScaledWordEmbedding(9, WIDTH, 4, embed_scale=3.0),
    "RMSNorm": lambda: nn.RMSNorm(WIDTH, eps=1e-2),
    "T5's norm": lambda: T5LayerNorm(WIDTH),
    "Mistral's norm": lambda: MistralRMSNorm(WIDTH),
}


def inputs_of(module: nn.Module, groups: int = GROUPS) -> Tensor:
    """Hidden states, or ids of which some come twice and some never."""
    generator = torch.Generator().manual_seed(1)
    if isinstance(module, nn.Embedding):
        return torch.tensor([[0, 4, 4, 2, 0], [8, 8, 8, 8, 1], [4, 4, 4, 4, 4]])[:groups]
    return torch.randn(groups, POSITIONS, WIDTH, generator=generator, dtype=torch.float64)


def true_rows(module: nn.Module, attribute: str, inputs: Tensor, delta: Sequence[Tensor]) -> Tensor:
    """By autograd, one group at a time: `[groups, entries]`."""
    parameter = module.get_parameter(attribute)
    rows = [
        torch.autograd.grad(module(group), parameter, own)[0].flatten()
        for group, own in zip(inputs, delta, strict=True)
    ]
    return torch.stack(rows)


def kept_entries(size: int, share: float | None) -> Tensor | None:
    if share is None:
        return None
    order = torch.randperm(size, generator=torch.Generator().manual_seed(2))
    return order[: max(1, round(share * size))].sort().values


@pytest.mark.parametrize("share", [None, 1.0, DENSE_FROM + 0.05, DENSE_FROM - 0.05, 0.05, 0.0])
@pytest.mark.parametrize("kind", MODULES)
def test_a_rule_adds_autograds_gradient_to_the_rows(kind: str, share: float | None) -> None:
    module = double(MODULES[kind]())
    inputs = inputs_of(module)
    delta = torch.randn(module(inputs).shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for attribute, parameter in module.named_parameters():
        kept = kept_entries(parameter.numel(), share)
        rule = site_for(module, attribute, kept)
        assert rule is not None
        true = true_rows(module, attribute, inputs, delta)
        true = true if kept is None else true[:, kept]
        rows = torch.ones(GROUPS, true.shape[1] + 2, dtype=torch.float64)
        rule(rows[:, 1:-1], inputs, delta)
        torch.testing.assert_close(rows[:, 1:-1], 1 + true, rtol=1e-12, atol=1e-12)
        assert (rows[:, [0, -1]] == 1).all()


@pytest.mark.parametrize("together", [1, 2 * WIDTH * 7, 10**6])
@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize(("kind", "swap"), [("Linear", False), ("Conv1D", True)])
def test_the_rule_of_a_gpu_does_too_however_many_examples_it_takes_at_once(
    kind: str, swap: bool, share: float | None, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "BATCHED_ENTRIES", together)
    module = double(MODULES[kind]())
    inputs = inputs_of(module)
    delta = torch.randn(module(inputs).shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    kept = kept_entries(module.weight.numel(), share)
    true = true_rows(module, "weight", inputs, delta)
    true = true if kept is None else true[:, kept]
    rows = torch.ones_like(true)
    batched_matrix(kept, swap)(rows, inputs, delta)
    torch.testing.assert_close(rows, 1 + true, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", MODULES)
def test_a_rule_works_in_float32_too(kind: str) -> None:
    module = double(MODULES[kind]())
    inputs = inputs_of(module)
    delta = torch.randn(module(inputs).shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for attribute, parameter in module.named_parameters():
        kept = kept_entries(parameter.numel(), 0.1)
        rule = site_for(module, attribute, kept)
        assert rule is not None and kept is not None
        rows = torch.zeros(GROUPS, len(kept))
        rule(rows, inputs.float() if inputs.is_floating_point() else inputs, delta.float())
        true = true_rows(module, attribute, inputs, delta)[:, kept]
        torch.testing.assert_close(rows.double(), true, rtol=1e-4, atol=1e-5)


class Doubled(nn.Linear):
    """A subclass that computes something else."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Named(nn.Linear):
    """A subclass that computes the same."""


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv1d(2, 3, 1),
        nn.PReLU(),
        nn.LayerNorm((2, 3)),
        nn.Embedding(3, 2, sparse=True),
        nn.Embedding(3, 2, scale_grad_by_freq=True),
        nn.Bilinear(2, 2, 2),
        Doubled(2, 3),
    ],
    ids=lambda module: type(module).__name__,
)
def test_there_is_no_rule_for_a_module_that_computes_something_else(module: nn.Module) -> None:
    for attribute, _ in module.named_parameters():
        assert site_for(module, attribute, None) is None


def test_a_subclass_that_computes_the_same_has_its_rule() -> None:
    assert site_for(Named(2, 3), "weight", None) is not None
