"""Trains a small language model from random weights on texts: what the demo's models have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from gradiend.backbones.products import speed_up

Loss = Callable[[Tensor], Tensor]  # ids [texts, tokens], padded with PAD -> scalar
PAD = 0
MAX_TOKENS = 64


@dataclass(frozen=True)
class Recipe:
    """How a demo model is built.

    Attributes:
        hidden: Width of the hidden states; `heads` must divide it.
        layers: Transformer layers.
        heads: Attention heads of a layer.
        epochs: Passes over the texts.
        batch_size: Texts of one step.
        learning_rate: Peak of AdamW's rate: reached after a tenth of the steps, then falling to 0 in a line.
        focus: Words that count for more than others, each a single token.
        focus_weight: Weight of a focus word in the loss; any other has weight 1.
    """

    hidden: int = 144
    layers: int = 2
    heads: int = 4
    epochs: int = 4
    batch_size: int = 32
    learning_rate: float = 1.2e-3
    focus: tuple[str, ...] = ("he", "she")
    focus_weight: float = 4.0


@dataclass(frozen=True)
class Built:
    """What building did: the training loss of every step (weighted mean, in nats), and the sizes."""

    losses: list[float]
    parameters: int
    vocabulary: int


def encoded(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Tensor]:
    """The ids of each text, cut at the tokenizer's limit."""
    return [torch.tensor(ids) for ids in tokenizer(list(texts), truncation=True)["input_ids"]]


def train(model: nn.Module, texts: list[Tensor], loss_of: Loss, recipe: Recipe) -> list[float]:
    """Trains the model in place; the loss of every step. Shows its progress on standard error."""
    speed_up(model)
    batches = [batch for _ in range(recipe.epochs) for batch in _batches(texts, recipe.batch_size)]
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, len(batches)))
    losses = []
    for ids in tqdm(batches, desc="demo model", unit="step", mininterval=2):
        loss = loss_of(ids)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def weighted(losses: Tensor, ids: Tensor, focus: Tensor, weight: float) -> Tensor:
    """Mean of the losses of some tokens, those of the focus with their weight: all `[tokens]` -> scalar."""
    weights = torch.where(torch.isin(ids, focus), weight, 1.0)
    return (losses * weights).sum() / weights.sum()


def _batches(texts: list[Tensor], size: int) -> list[Tensor]:
    """One pass over the texts, shuffled; each batch `[texts, longest text]` has texts of similar length."""
    order = torch.randperm(len(texts)).tolist()
    chunks = [order[start : start + 32 * size] for start in range(0, len(order), 32 * size)]
    alike = [i for chunk in chunks for i in sorted(chunk, key=lambda i: len(texts[i]))]
    batches = [[texts[i] for i in alike[start : start + size]] for start in range(0, len(alike), size)]
    return [
        pad_sequence(batches[i], batch_first=True, padding_value=PAD) for i in torch.randperm(len(batches)).tolist()
    ]


def _rate(step: int, steps: int) -> float:
    """The share of the peak learning rate at a step."""
    warmup = max(1, steps // 10)
    return min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
