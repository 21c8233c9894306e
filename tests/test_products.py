"""Products by oneDNN are torch's own, forward and backward."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from gradiend.backbones.products import linear, product, speed_up

Build = Callable[[], nn.Module]
MODULES: dict[str, Build] = {
    "Linear": lambda: nn.Linear(6, 5),
    "Linear without bias": lambda: nn.Linear(6, 5, bias=False),
    "Conv1D": lambda: Conv1D(5, 6),
}


def gradients(module: nn.Module, x: Tensor, delta: Tensor) -> list[Tensor]:
    """The output, and its gradients by the input and all parameters."""
    x = x.clone().requires_grad_(True)
    output = module(x)
    return [output.detach(), *torch.autograd.grad(output, [x, *module.parameters()], delta)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_a_faster_layer_gives_what_it_gave_before(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    module = MODULES[name]().to(dtype)
    x, delta = torch.randn(3, 4, 6, dtype=dtype), torch.randn(3, 4, 5, dtype=dtype)
    before = gradients(module, x, delta)
    speed_up(module)
    for found, expected in zip(gradients(module, x, delta), before, strict=True):
        torch.testing.assert_close(found, expected)
    with torch.no_grad():
        torch.testing.assert_close(module(x), before[0])


def test_frozen_weights_get_no_gradient_and_let_it_through() -> None:
    layer = nn.Linear(6, 5).requires_grad_(False)
    x = torch.randn(4, 6, requires_grad=True)
    (by_x,) = torch.autograd.grad(linear(x, layer.weight, layer.bias).sum(), x)
    torch.testing.assert_close(by_x, layer.weight.sum(0).expand(4, 6))


def test_neither_factor_need_be_contiguous() -> None:
    left, right = torch.randn(7, 3).t(), torch.randn(7, 5).t()
    assert not left.is_contiguous() and not right.is_contiguous()
    torch.testing.assert_close(product(left, right), left @ right.t())


def test_subclasses_keep_their_own_forward() -> None:
    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    layer = Doubled(6, 5)
    x = torch.randn(2, 6)
    before = layer(x)
    speed_up(layer)
    assert torch.equal(layer(x), before)


def test_a_forward_that_something_else_has_replaced_is_left_alone() -> None:
    layer = nn.Linear(6, 5)
    layer.forward = lambda input: input  # type: ignore[method-assign]
    speed_up(layer)
    x = torch.randn(2, 6)
    assert layer(x) is x


def test_what_comes_out_of_a_linear_layer_may_be_changed_in_place() -> None:
    layer = nn.Linear(4, 4)
    speed_up(layer)
    x = torch.ones(2, 3, 4, requires_grad=True)
    result = layer(x)
    result /= 2  # as Longformer scales its queries
    (found,) = torch.autograd.grad(result.sum(), x)
    torch.testing.assert_close(found, layer.weight.detach().sum(0).expand(2, 3, 4) / 2)
