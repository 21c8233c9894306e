"""Training and quality of an `MlmHead`: multinomial logistic regression on frozen, pooled hidden states."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.mlm_head import MlmHead, MlmHeadLM, hidden_size
from gradiend.errors import GradiendError

WEIGHT_DECAYS = (1.0, 0.1, 0.01, 0.001)
STEPS = 200  # of L-BFGS, which needs fewer: the loss is convex


@dataclass(frozen=True)
class Features:
    """What a head sees of the examples of a split: `pooled` `[examples, hidden]` float64, one line of `table` each."""

    table: pd.DataFrame
    pooled: Tensor

    def targets(self, forms: Sequence[str]) -> Tensor:
        """The number of each example's factual form, `[examples]`."""
        return torch.tensor([forms.index(form) for form in self.table["factual"]])


@dataclass(frozen=True)
class TrainedHead:
    """The chosen head, its weight decay, and the cross entropy on validation of every candidate."""

    head: MlmHead
    weight_decay: float
    candidates: list[dict[str, float]]


def forms_of(examples: pd.DataFrame) -> tuple[str, ...]:
    """The surface forms that a head predicts: all factual and alternative ones, sorted.

    Raises `GradiendError` for a form that is in no training example the factual one: nothing could be learnt of it.
    """
    learnt = set(examples.loc[examples["split"] == "train", "factual"])
    for column in ("factual", "alternative"):
        unknown = examples[~examples[column].isin(learnt)]
        if not unknown.empty:
            row = unknown.iloc[0]
            raise GradiendError(
                f"example {row['id']} of {row['split']}: its {column} form '{row[column]}' is the label of no training "
                f"example ({unknown[column].nunique()} such forms), so prediction_objective 'clm_mlm_head' cannot "
                "learn it: use forms that occur in all splits (data.split_by: row)"
            )
    return tuple(sorted(learnt))


@torch.no_grad()
def features(
    base: CausalLM,
    examples: pd.DataFrame,
    forms: tuple[str, ...],
    right_window: int,
    batch_size: int,
    progress: Callable[[int], object] = lambda done: None,
) -> Features:
    """The pooled hidden states of examples, without those that the base model cannot use."""
    width = hidden_size(base)
    model = MlmHeadLM(base, MlmHead(forms, right_window, torch.zeros(len(forms), width), torch.zeros(len(forms))))
    slots = model.encode(examples["masked"].tolist(), examples["factual"].tolist(), examples["id"].tolist())
    used = [slot for slot in slots if slot is not None]
    pooled = torch.empty(len(used), width, dtype=torch.float64)
    for chunk in model.chunks(used, batch_size):
        pooled[chunk] = model.pooled(base.batch([used[i] for i in chunk])).to(pooled)
        progress(len(chunk))
    table = examples[np.array([slot is not None for slot in slots], dtype=bool)].reset_index(drop=True)
    return Features(table, pooled)


def train_head(
    by_window: Mapping[int, Mapping[str, Features]], forms: tuple[str, ...], weight_decays: Sequence[float]
) -> TrainedHead:
    """Fit every window and weight decay on train, keep the one of the lowest cross entropy on validation.

    `by_window`: right window -> split -> features. Of equals the smaller window and the larger weight decay win.
    """
    best: tuple[float, MlmHead, float] | None = None
    candidates = []
    for window in sorted(by_window):
        train, validation = (by_window[window][split] for split in ("train", "validation"))
        for decay in sorted(weight_decays, reverse=True):
            weight, bias = fitted(train.pooled, train.targets(forms), len(forms), decay)
            head = MlmHead(forms, window, weight, bias)
            loss = float(F.cross_entropy(head(validation.pooled), validation.targets(forms)))
            if not math.isfinite(loss):
                raise GradiendError(
                    f"mlm_head.weight_decay: {decay:g} gives a head that is not finite: give a smaller one"
                )
            candidates.append({"right_window": window, "weight_decay": decay, "cross_entropy": loss})
            if best is None or loss < best[0]:
                best = (loss, head, decay)
    assert best is not None
    return TrainedHead(best[1], best[2], candidates)


def fitted(pooled: Tensor, targets: Tensor, forms: int, weight_decay: float) -> tuple[Tensor, Tensor]:
    """Weight `[forms, hidden]` and bias `[forms]` of the least mean cross entropy + weight_decay / 2 x |weight|^2.

    The weight that is penalised is that of standardised features; the weight returned takes them as they are.
    """
    mean, spread = pooled.mean(0), pooled.std(0, correction=0)
    spread = torch.where(spread > 0, spread, 1.0)
    standard = (pooled - mean) / spread
    weight, bias = (pooled.new_zeros(size).requires_grad_() for size in ((forms, pooled.shape[1]), (forms,)))
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        penalty = weight_decay / 2 * weight.square().sum()
        loss = F.cross_entropy(standard @ weight.T + bias, targets) + penalty
        torch.autograd.backward(loss)
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    scaled = weight.detach() / spread
    return scaled, bias.detach() - scaled @ mean


def quality(head: MlmHead, features: Features) -> dict[str, Any]:
    """How often the factual form is the head's first choice, beside the share of the examples' most frequent form.

    `by_class` has accuracy and n of each factual class; `pairs` how often the factual form is likelier than the
    alternative, of the examples whose two forms differ. `better` says whether the accuracy lies more than two standard
    errors above the majority's share.
    """
    logits, table = head(features.pooled), features.table
    right = (logits.argmax(1) == features.targets(head.forms)).numpy()
    counts = table["factual"].value_counts().sort_index()
    majority, share = str(counts.idxmax()), float(counts.max() / len(table))
    error = (share * (1 - share) / len(table)) ** 0.5
    classes = table["factual_class"].to_numpy()
    return {
        "n": len(table),
        "accuracy": float(right.mean()),
        "majority": {"form": majority, "share": share},
        "better": bool(right.mean() > share + 2 * error),
        "cross_entropy": float(F.cross_entropy(logits, features.targets(head.forms))),
        "by_class": {
            name: {"n": int((classes == name).sum()), "accuracy": float(right[classes == name].mean())}
            for name in sorted(set(classes))
        },
        "pairs": _pairs(head, logits, table),
    }


def _pairs(head: MlmHead, logits: Tensor, table: pd.DataFrame) -> dict[str, Any]:
    factual, alternative = (
        torch.tensor([head.forms.index(form) for form in table[column]]) for column in ("factual", "alternative")
    )
    rows = torch.arange(len(table))[factual != alternative]
    above = logits[rows, factual[rows]] > logits[rows, alternative[rows]]
    return {"n": len(rows), "accuracy": float(above.double().mean()) if len(rows) else None}
