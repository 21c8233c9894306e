"""Pruning: from the importance of every entry to the entries that are kept, exact and deterministic."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gradiend.errors import GradiendError
from gradiend.model import GradiendModel

PARTS: dict[str, Callable[[GradiendModel], Tensor]] = {
    "encoder-weight": lambda model: model.encoder.weight.detach().abs().sum(0),
    "decoder-weight": lambda model: model.decoder.weight.detach().abs().sum(1),
    "decoder-bias": lambda model: _decoder_bias(model).abs(),
    "decoder-sum": lambda model: (model.decoder.weight.detach().sum(1) + _decoder_bias(model)).abs(),
}


def weight_importance(model: GradiendModel, part: str) -> Tensor:
    """Importance of every entry from the trained weights, `[input_dim]`.

    encoder-weight and decoder-weight: L1 norm over the latents; decoder-bias: absolute value; decoder-sum:
    |sum of the weight row + bias|.
    """
    return PARTS[part](model)


def kept_positions(importance: Tensor, topk: int | float | None, threshold: float | None) -> Tensor:
    """Sorted positions `[k]` of the entries to keep, of an importance `[input_dim]`.

    Either those of at least `threshold`, or the `topk` largest: an int is a count, a float a fraction f of the
    entries, max(1, round(f n)); equal importances go to the lower position. Raises `GradiendError` if nothing is
    kept, the count is larger than the space, or the importance is not finite.
    """
    values = importance.numpy()
    if not np.isfinite(values).all():
        raise GradiendError("the importance holds NaN or infinity: its gradients were not finite")
    if threshold is not None:
        positions = np.flatnonzero(values >= threshold)
        if not len(positions):
            raise GradiendError(f"threshold {threshold} keeps nothing: the largest importance is {values.max():.3g}")
        return torch.from_numpy(positions)
    if topk is None:
        return torch.arange(len(values))
    count = topk if isinstance(topk, int) else max(1, round(topk * len(values)))
    if count > len(values):
        raise GradiendError(f"topk {topk} is more than the {len(values)} entries there are")
    return torch.from_numpy(_largest(values, count))


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of the `count` largest, ties to the lower position, without sorting all."""
    smallest = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > smallest)
    ties = np.flatnonzero(values == smallest)[: count - len(above)]
    return np.sort(np.concatenate([above, ties]))


def _decoder_bias(model: GradiendModel) -> Tensor:
    if not model.config.bias_decoder:
        raise GradiendError("post_prune_config.part needs a decoder bias: use decoder-weight, or bias_decoder: true")
    return model.decoder.bias.detach()
