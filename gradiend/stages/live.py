"""Rows of a split computed from the base model: for a store to be written, or as stages read them."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.backbones.slot_model import SlotModel
from gradiend.caps import OF_THE_ENCODER, capped, require_each_class
from gradiend.devices import AUTO
from gradiend.errors import GradiendError
from gradiend.gradients.capture import Capture, Pair
from gradiend.gradients.live import LiveRows, batch_table, encode_pairs, example_table
from gradiend.settings import BaseModel, CacheGradients, canonical, read_settings
from gradiend.space import ParameterSpace
from gradiend.tables import NEUTRAL, read_examples, read_table

NEUTRAL_TEXTS = 1000


def open_split(
    settings: CacheGradients,
    space: ParameterSpace,
    examples: Path,
    split: str,
    batch_size: int,
    *,
    device: str = AUTO,
    neutral: Path | None = None,
    mlm_head: Path | None = None,
) -> LiveRows:
    """Live rows of one split; see `split_rows` and `neutral_rows`. The base model is loaded once per process."""
    base = _loaded(canonical(settings.base_model), device)
    if split == "neutral":
        assert neutral is not None
        return neutral_rows(settings, base, Capture(base, space), read_table(neutral, NEUTRAL), batch_size)
    model = with_mlm_head(base, settings.base_model, mlm_head)
    return split_rows(settings, model, Capture(model, space), read_examples(examples), split, batch_size)


@lru_cache(maxsize=1)
def _loaded(settings: str, device: str) -> LanguageModel:
    return load_base_model(read_settings(BaseModel, settings), device=device)


def split_rows(
    settings: CacheGradients, base: SlotModel, capture: Capture, examples: pd.DataFrame, split: str, batch_size: int
) -> LiveRows:
    """Train: one row per batch. Other splits: one per example, no more than any encoder evaluation reads.

    Raises `GradiendError` where the base model can use no example of a target class that the split has.
    """
    own = examples[examples["split"] == split]
    if split != "train" and settings.evaluation_max_size is not None:
        classes, balanced = own.set_index("id")["factual_class"], settings.encoder_eval_balance
        if balanced:
            require_each_class(classes, settings.evaluation_max_size, OF_THE_ENCODER)
        own = own.iloc[capped(classes, settings.evaluation_max_size, balanced=balanced, seed=settings.seed)]
    pairs = encode_pairs(base, own)
    used = np.array([pair is not None for pair in pairs], dtype=bool)
    _require_target_classes(own, used, split)
    own = own[used]
    by_id: dict[int, Pair] = {i: p for i, p in zip(own["id"], (p for p in pairs if p is not None), strict=True)}
    table = batch_table(own) if split == "train" else example_table(own)
    groups = [[by_id[i] for i in ids] for ids in table["example_ids"]]
    return LiveRows(capture, table, groups, batch_size, dropped=pairs.count(None))


def _require_target_classes(examples: pd.DataFrame, used: np.ndarray, split: str) -> None:
    """Raise `GradiendError` unless each class with transitions still has one among the examples that are used."""
    target = examples["factual_class"] != examples["alternative_class"]
    lost = set(examples.loc[target, "factual_class"]) - set(examples.loc[target & used, "factual_class"])
    for name in sorted(lost):
        count = int((target & (examples["factual_class"] == name)).sum())
        raise GradiendError(
            f"{split}: no example of class '{name}' is left: {count} are too long for the base model (data.too_long: "
            "drop) or have no text before the slot (causal models need some)"
        )


def neutral_rows(
    settings: CacheGradients, base: LanguageModel, capture: Capture, neutral: pd.DataFrame, batch_size: int
) -> LiveRows:
    """One row per neutral text of the test split, at its slot, else at one real token.

    At most `NEUTRAL_TEXTS`, and no more than any encoder evaluation reads.
    Always by the base model's own predictions. There is no alternative: both gradients of a row are the factual one.
    """
    own = neutral[neutral["split"] == "test"]
    own = own.iloc[np.sort(np.random.default_rng([settings.seed, 5]).permutation(len(own))[:NEUTRAL_TEXTS])]
    ids = pd.Series("", index=own["id"])
    own = own.iloc[capped(ids, settings.evaluation_max_size, balanced=False, seed=settings.seed)]
    slots = base.neutral_slots(own, settings.seed)
    own = own[np.array([slot is not None for slot in slots], dtype=bool)]
    table = example_table(own.assign(factual_class="neutral", alternative_class="neutral"))
    groups = [[Pair(slot, slot)] for slot in slots if slot is not None]
    return LiveRows(capture, table, groups, batch_size, dropped=slots.count(None))
