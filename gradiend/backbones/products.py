"""Matrix products of linear layers by oneDNN, which uses the widest vectors of any x86 processor.

torch's own float32 products come from MKL, which on processors that are not Intel's uses vectors of half that width:
measured there, oneDNN is 2.0 to 2.4 times faster, forward and backward.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.pytorch_utils import Conv1D

AVAILABLE = torch.backends.mkldnn.is_available()


def speed_up(model: nn.Module) -> None:
    """Let the model's linear layers compute by `linear`.

    Subclasses, which may do anything, stay as they are, and so do layers whose forward something else (accelerate)
    has replaced.
    """
    for module in model.modules() if AVAILABLE else ():
        if type(module) in FORWARD and "forward" not in vars(module):
            module.forward = partial(FORWARD[type(module)], module)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x @ weight.T + bias`: `[..., in]`, `[out, in]`, `[out] -> [..., out]`; float32 on a CPU by oneDNN."""
    if x.dtype != torch.float32 or weight.dtype != torch.float32 or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias)):
        flat: Tensor = _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias)  # type: ignore[no-untyped-call]
        return flat.view(*x.shape[:-1], -1)  # a view made in `_Linear` could not be changed in place (Longformer does)
    return product(x, weight, bias)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x @ weight.T + bias` without a graph; neither of the two need be contiguous."""
    if not AVAILABLE or x.dtype != torch.float32 or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


class _Linear(torch.autograd.Function):
    """Keeps its input only where the gradient of the weight needs it, like torch's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x if weight.requires_grad else None, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        flat = delta.reshape(-1, delta.shape[-1])  # [positions, out]
        by_weight = product(flat.t(), x.reshape(-1, x.shape[-1]).t()) if of_weight else None
        return product(delta, weight.t()) if of_x else None, by_weight, flat.sum(0) if of_bias else None


def _linear_forward(module: nn.Linear, input: Tensor) -> Tensor:
    return linear(input, module.weight, module.bias)


def _conv1d_forward(module: Any, x: Tensor) -> Tensor:
    return linear(x, module.weight.t(), module.bias)


FORWARD: dict[type[nn.Module], Callable[..., Tensor]] = {nn.Linear: _linear_forward, Conv1D: _conv1d_forward}
