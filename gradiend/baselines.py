"""The mean-difference direction: what the labels and the gradients give without any training."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from gradiend.gradients.rows import Rows
from gradiend.labels import labels
from gradiend.model import GradiendModel


def mean_difference(rows: Rows, source: str, target_classes: Sequence[str], *, gradient: str | None = None) -> Tensor:
    """The mean over the rows of label x gradient, `[input_dim]` of the rows' space.

    The labels are those of `source`; `gradient` is by default the source gradient, for a decoder the target. Rows
    with label 0 are not read.
    """
    signs, which = labels(rows.table, source, target_classes), gradient or source
    labelled = np.flatnonzero(signs)
    weights, total = torch.from_numpy(signs[labelled]).float(), torch.zeros(rows.space.input_dim)
    for factual, alternative in rows.blocks(labelled.tolist()):
        of_block, weights = weights[: len(factual)], weights[len(factual) :]
        if which != "alternative":
            total += of_block @ factual
        if which != "factual":
            total += (-of_block if which == "diff" else of_block) @ alternative
    return total / max(1, len(signs))


def mean_difference_update(rows: Rows, model: GradiendModel) -> Callable[[float], Tensor]:
    """Feature factor -> update `[input_dim]` in the model's space: the mean-difference direction as a decoder.

    The label-signed mean of the target rows, scaled to the norm of the GRADIEND's own update for the feature
    factor 1, so that the same learning rates fit both.
    """
    config = model.config
    whole = mean_difference(rows, config.source, config.target_classes, gradient=config.target)
    direction = whole[model.space.positions_in(rows.space)]
    direction *= float(model.update(1.0).norm()) / max(float(direction.norm()), 1e-30)
    return lambda feature_factor: feature_factor * direction
