"""How each kind of module's weight gradient follows from what went in and what comes back.

A site is one parameter of one module: `add` adds the kept entries of its gradient to rows, given the
module's input and the gradient of its output. Both are `[groups, positions, features]`, and a group is a row.
"""

import copy
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from gradiend.backbones.products import product

BATCHED_ENTRIES = 2**26  # of products on a GPU at once, 256 MiB
DENSE_FROM = 0.3  # share of kept entries from which one dense product beats a sampled one

with warnings.catch_warnings(
    action="ignore"
):  # torch says once, to whoever makes the first one, that these are in beta
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1), check_invariants=False)

K = TypeVar("K", bound=nn.Module)
Add = Callable[[Tensor, Tensor, Tensor], None]  # rows [groups, entries], input, gradient of the output


@dataclass(frozen=True)
class Site:
    """One parameter's part of the rows."""

    name: str
    columns: slice
    add: Add


def site_for(module: nn.Module, attribute: str, kept: Tensor | None) -> Add | None:
    """The rule for one parameter of one module, or None where there is none. `kept`: flat indices or all."""
    parameter: Any = module.get_parameter(attribute)
    if _computes_as(module, nn.Linear):
        return _matrix(parameter, kept, swap=False) if attribute == "weight" else _sum(kept)
    if _computes_as(module, Conv1D):
        return _matrix(parameter, kept, swap=True) if attribute == "weight" else _sum(kept)
    if _computes_as(module, nn.LayerNorm) and len(module.normalized_shape) == 1:
        return _layer_norm_weight(module.eps, kept) if attribute == "weight" else _sum(kept)
    if _scales(module):
        return _scale(module, kept)
    if isinstance(module, nn.Embedding) and not module.sparse and not module.scale_grad_by_freq:
        scale = _lookup_scale(module)
        return None if scale is None else _embedding(parameter.shape, kept, module.padding_idx, scale)
    return None


def _computes_as(module: nn.Module, kind: type[K]) -> TypeGuard[K]:
    """Whether the module is of this kind and has its `forward`: a subclass may do anything in its own."""
    return isinstance(module, kind) and type(module).forward is kind.forward


def _scales(module: nn.Module) -> bool:
    """Whether the module looks like an RMSNorm of any make: a norm of one input, whose one parameter is a vector."""
    shapes = [parameter.dim() for parameter in module.parameters()]
    inputs = inspect.signature(module.forward).parameters
    return type(module).__name__.endswith("Norm") and shapes == [1] and len(inputs) == 1


def _lookup_scale(module: nn.Embedding) -> float | None:
    """By what the module multiplies the vectors that it looks up (Gemma's does), if that is all it does."""
    if _computes_as(module, nn.Embedding):
        return 1.0
    word = torch.zeros(1, 1, dtype=torch.int64, device=module.weight.device)
    try:
        found = (module(word).flatten() / module.weight[0]).detach().float()
    except (RuntimeError, TypeError, ValueError, IndexError):  # it wants something else than ids
        return None
    scale = float(found.median())
    return scale if bool(torch.isclose(found, found.new_tensor(scale), rtol=1e-2).all()) else None


def _pick(full: Tensor, kept: Tensor | None) -> Tensor:
    return full if kept is None else full.index_select(-1, kept)


def _sum(kept: Tensor | None) -> Add:
    def add(rows: Tensor, inputs: Tensor, delta: Tensor) -> None:
        rows += _pick(delta.sum(1), kept)

    return add


def _layer_norm_weight(eps: float, kept: Tensor | None) -> Add:
    def add(rows: Tensor, inputs: Tensor, delta: Tensor) -> None:
        normalised = F.layer_norm(inputs, inputs.shape[-1:], eps=eps)
        rows += _pick((delta * normalised).sum(1), kept)

    return add


def _scale(module: nn.Module, kept: Tensor | None) -> Add:
    """Any module whose output is affine in its weight, entry by entry: the slope is what 1 gives beyond 0."""
    one, zero = (copy.deepcopy(module).requires_grad_(False) for _ in range(2))
    for clone, value in ((one, 1.0), (zero, 0.0)):
        for parameter in clone.parameters():
            parameter.fill_(value)

    def add(rows: Tensor, inputs: Tensor, delta: Tensor) -> None:
        with torch.no_grad():
            slope = one.to(inputs).forward(inputs) - zero.to(inputs).forward(inputs)
        rows += _pick((delta * slope).sum(1), kept)

    return add


def _matrix(weight: Tensor, kept: Tensor | None, *, swap: bool) -> Add:
    """Weight `[out, in]`: delta^T input; `swap` for Conv1D's `[in, out]`: input^T delta."""
    if weight.is_cuda:
        return batched_matrix(kept, swap)
    if kept is None or len(kept) >= DENSE_FROM * weight.numel():
        return _dense_matrix(kept, swap)
    return _sampled_matrix(weight.shape, kept, swap)


def batched_matrix(kept: Tensor | None, swap: bool) -> Add:
    """All entries of the product of many examples at once: what a GPU waits for is calls, not arithmetic."""

    def add(rows: Tensor, inputs: Tensor, delta: Tensor) -> None:
        left, right = (inputs, delta) if swap else (delta, inputs)
        together = max(1, BATCHED_ENTRIES // (left.shape[-1] * right.shape[-1]))
        for row, a, b in zip(*(part.split(together) for part in (rows, left, right)), strict=True):
            row += _pick((a.mT @ b).flatten(1), kept)  # [examples, out * in]

    return add


def _dense_matrix(kept: Tensor | None, swap: bool) -> Add:
    def add(rows: Tensor, inputs: Tensor, delta: Tensor) -> None:
        left, right = (inputs, delta) if swap else (delta, inputs)
        for row, a, b in zip(rows, left, right, strict=True):
            row += _pick(product(a.T, b.T).flatten(), kept)

    return add


def _sampled_matrix(shape: torch.Size, kept: Tensor, swap: bool) -> Add:
    """Only the kept entries of the product, added in place: the order of CSR's values is that of the flat indices."""
    starts = torch.searchsorted(kept, torch.arange(shape[0] + 1, device=kept.device) * shape[1])
    columns, size = kept % shape[1], tuple(shape)

    def add(rows: Tensor, inputs: Tensor, delta: Tensor) -> None:
        left, right = (inputs, delta) if swap else (delta, inputs)
        for row, a, b in zip(rows, left, right, strict=True):
            values = torch.sparse_csr_tensor(starts, columns, row, size, check_invariants=False)
            torch.sparse.sampled_addmm(values, a.T, b, out=values)

    return add


def _embedding(shape: torch.Size, kept: Tensor | None, padding: int | None, scale: float) -> Add:
    """Row `v` of the weight gets the gradients of the positions that looked up `v` (none for padding)."""
    width = shape[1]
    if kept is None:
        kept = torch.arange(shape.numel())
    starts = torch.searchsorted(kept, torch.arange(shape[0] + 1, device=kept.device) * width)

    def add(rows: Tensor, inputs: Tensor, delta: Tensor) -> None:
        group, position = (inputs != (-1 if padding is None else padding)).nonzero(as_tuple=True)
        looked_up = inputs[group, position]
        first, counts = starts[looked_up], starts[looked_up + 1] - starts[looked_up]
        which = torch.repeat_interleave(counts)
        within = torch.arange(len(which), device=which.device) - (counts.cumsum(0) - counts)[which]
        entry = first[which] + within
        values = scale * delta[group[which], position[which], kept[entry] % width]
        rows.index_put_((group[which], entry), values, accumulate=True)

    return add
