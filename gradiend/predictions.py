"""What a language model writes at the slots of a few examples: its most probable tokens."""

from collections.abc import Sequence

import pandas as pd
import torch

from gradiend.backbones.language_model import LanguageModel
from gradiend.caps import capped

TOP = 5
COLUMNS = ("example_id", "rank", "token", "probability")


def shown_examples(examples: pd.DataFrame, target_classes: Sequence[str], count: int, seed: int = 0) -> pd.DataFrame:
    """At most `count` test examples, equally many of each target class."""
    own = examples[(examples["split"] == "test") & examples["factual_class"].isin(list(target_classes))]
    classes = own.set_index("id")["factual_class"]
    return own.iloc[capped(classes, count, balanced=True, seed=seed)]


@torch.no_grad()
def top_predictions(base: LanguageModel, examples: pd.DataFrame, batch_size: int = 32) -> pd.DataFrame:
    """`example_id, rank, token, probability`: the `TOP` tokens at the first token of every slot, rank 1 the likeliest.

    The model is read as its weights are at the call. Examples whose text is dropped have no line.
    """
    ids = examples["id"].tolist()
    encoded = base.encode(examples["masked"].tolist(), examples["factual"].tolist(), ids)
    there = [(number, slot) for number, slot in zip(ids, encoded, strict=True) if slot is not None]
    lines: list[tuple[int, int, str, float]] = []
    for chunk in base.chunks([slot for _, slot in there], batch_size):
        batch = base.batch([there[i][1] for i in chunk])
        first = torch.searchsorted(batch.example, torch.arange(len(chunk), device=batch.example.device))
        probabilities = base.logits(batch)[first].softmax(-1)  # [examples, vocabulary]
        values, tokens = probabilities.topk(min(TOP, probabilities.shape[-1]))
        for i, own, found in zip(chunk, values.tolist(), tokens.tolist(), strict=True):
            lines += [
                (there[i][0], rank, base.word(token), value)
                for rank, (value, token) in enumerate(zip(own, found, strict=True), start=1)
            ]
    return pd.DataFrame(lines, columns=list(COLUMNS)).sort_values(["example_id", "rank"], ignore_index=True)
