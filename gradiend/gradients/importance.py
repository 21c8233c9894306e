"""The importance of every entry for pre-pruning, in one stream: memory is one float32 vector."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradiend.backbones.slot_model import SlotModel
from gradiend.backbones.slots import losses
from gradiend.errors import GradiendError
from gradiend.gradients.autograd import each_gradient
from gradiend.gradients.capture import Pair


def even_sample(examples: pd.DataFrame, target_classes: Sequence[str], count: int, seed: int) -> pd.DataFrame:
    """At most `count` training examples, seeded, equally many of both target transitions.

    The smaller transition bounds both; an odd one goes to the first where it has it.
    """
    train = examples[(examples["split"] == "train") & (examples["factual_class"] != examples["alternative_class"])]
    own = [train[train["factual_class"] == name] for name in target_classes]
    each = min(count // 2, *(len(part) for part in own))
    sizes = (each + (count % 2 if each == count // 2 else 0), each)
    orders = [np.random.default_rng([seed, i]).permutation(len(part)) for i, part in enumerate(own)]
    return pd.concat([part.iloc[np.sort(order[:size])] for part, order, size in zip(own, orders, sizes, strict=True)])


def importance(
    base: SlotModel,
    parameters: Sequence[str],
    pairs: Sequence[Pair],
    labels: Sequence[float],
    *,
    source: str,
    kind: str,
    batch_size: int = 8,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, Tensor]:
    """One float32 tensor per parameter, in its shape: the importance of its entries over the examples.

    With g the gradient that `source` names: `mean` = |mean g|, `mean_abs` = mean |g|, `signed_mean` =
    |mean label g|. Raises `GradiendError` naming a parameter whose importance is not finite.
    """
    selected = {name: base.parameters()[name] for name in parameters}
    total = {name: torch.zeros(p.shape, dtype=torch.float32) for name, p in selected.items()}
    signs = {"mean": [1.0] * len(pairs), "mean_abs": [1.0] * len(pairs), "signed_mean": list(labels)}[kind]
    weights = [sign / len(pairs) for sign in signs]
    longest, shortest = (choose(pairs, key=lambda pair: len(pair.factual.ids)) for choose in (max, min))
    alone = kind == "mean_abs" or base.depends_on_padding(longest.factual, shortest.factual)
    size = 1 if alone else batch_size

    def receive(name: str, gradient: Tensor) -> None:
        total[name] += (gradient.abs() if kind == "mean_abs" else gradient).to("cpu", torch.float32)

    with each_gradient(selected, receive):
        for start in range(0, len(pairs), size):
            _loss(base, pairs[start : start + size], weights[start : start + size], source).backward()
            progress(min(size, len(pairs) - start))
    for name, tensor in total.items():
        if not torch.isfinite(tensor.abs_()).all():
            raise GradiendError(f"the importance of '{name}' holds NaN or infinity: try torch_dtype float32")
    return total


def _loss(base: SlotModel, pairs: Sequence[Pair], weights: Sequence[float], source: str) -> Tensor:
    """Weighted sum of the examples' losses whose gradient is the weighted sum of their source gradients."""
    weight = torch.tensor(weights, device=base.device)
    factual = base.batch([pair.factual for pair in pairs])
    alternative = base.batch([pair.alternative for pair in pairs])
    if source != "diff":
        batch = factual if source == "factual" else alternative
        return (weight * losses(base.logits(batch), batch)).sum()
    logits = base.logits(factual)
    shared = all(pair.factual.same_input(pair.alternative) for pair in pairs)
    other = logits if shared else base.logits(alternative)
    return (weight * (losses(logits, factual) - losses(other, alternative))).sum()
