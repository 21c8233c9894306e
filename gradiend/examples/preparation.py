"""The whole data stage: settings -> examples, neutral texts and their summary."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gradiend import __version__
from gradiend.caps import capped_per_class
from gradiend.examples.batches import batches
from gradiend.examples.classes import merged_classes
from gradiend.examples.drawing import draw_splits
from gradiend.examples.neutral import copies_of_test, neutral_texts
from gradiend.examples.randomness import derived_seed
from gradiend.examples.sources import Source, read_source
from gradiend.examples.splits import (
    SPLITS,
    require_splits,
    require_transitions,
    without_copies,
)
from gradiend.examples.summary import summary
from gradiend.examples.tables import shortened
from gradiend.examples.transitions import Transitions, transitions
from gradiend.settings import PrepareData
from gradiend.tables import EXAMPLES


@dataclass(frozen=True)
class Prepared:
    """`examples` and `neutral` as their Parquet files, `summary` as its JSON file."""

    examples: pd.DataFrame
    neutral: pd.DataFrame
    summary: dict[str, Any]


def prepare(settings: PrepareData) -> Prepared:
    """Read the data and make examples, splits, batches and neutral texts, all determined by the settings.

    Raises `GradiendError` on any mistake.
    """
    source = read_source(settings.data_source, settings.columns, settings.mask_placeholder, settings.whole_texts)
    made = _transitions(source, settings)
    uncapped = _with_splits(source, made, settings)
    examples = _capped(uncapped, settings, made.dropped)
    examples = _with_batches(examples, settings)
    neutral = _neutral(settings, made)
    about = {
        **summary(examples, neutral, uncapped),
        "derived_alternatives": dict(made.derived),
        "dropped": dict(made.dropped),
        "warnings": made.warnings,
        "data_digest": settings.data_digest,
        "package_version": __version__,
    }
    return Prepared(examples, neutral, about)


def _transitions(source: Source, settings: PrepareData) -> Transitions:
    if "split" in source.rows:
        require_splits(source.rows["split"], SPLITS, ", ".join(dict.fromkeys(source.names)))
    classes = merged_classes(
        source.rows["factual_class"].unique(),
        source.rows["alternative_class"].dropna().unique(),
        settings.target_classes,
        settings.class_merge_map,
        settings.class_merge_transition_groups,
    )
    identity = settings.add_identity_for_other_classes
    return transitions(source, classes, settings.target_classes, identity=identity)


def _with_splits(source: Source, made: Transitions, settings: PrepareData) -> pd.DataFrame:
    """The examples with their splits, given or drawn, without copies across splits."""
    examples = made.examples
    if "split" not in source.rows:
        splits, warnings = draw_splits(examples, settings.split_by, settings.target_classes, settings.seed)
        examples = examples.assign(split=splits)
        made.warnings.extend(warnings)
    examples, reasons = without_copies(examples)
    for reason, ids in sorted(reasons.groupby(reasons).groups.items()):
        made.dropped[str(reason)] += len(ids)
        made.warnings.append(f"{len(ids)} dropped from {reason} (first: {source.where(int(ids[0]))})")
    require_transitions(examples, settings.target_classes)
    return examples


def _capped(examples: pd.DataFrame, settings: PrepareData, dropped: Counter[str]) -> pd.DataFrame:
    """At most `train_max_size` training examples of each class; `dropped` counts the others."""
    train = examples[examples["split"] == "train"]
    seed = derived_seed(settings.seed, "cap")
    kept = train.index[capped_per_class(train["factual_class"], settings.train_max_size, seed=seed)]
    lost = train.index.difference(kept)
    for name, count in train.loc[lost, "factual_class"].value_counts().items():
        dropped[f"class '{name}': above train_max_size {settings.train_max_size}"] += int(count)
    return examples.drop(index=lost)


def _neutral(settings: PrepareData, made: Transitions) -> pd.DataFrame:
    """The neutral texts that are used; `made` counts the others."""
    texts = neutral_texts(settings.neutral, settings.columns, settings.mask_placeholder, settings.seed)
    unused, copies = texts["split"] == "train", copies_of_test(texts)
    if unused.any():
        made.dropped["neutral texts of train: nothing uses them"] += int(unused.sum())
    if copies.any():
        reason = "neutral texts of validation: same text in test"
        made.dropped[reason] += int(copies.sum())
        made.warnings.append(
            f"{copies.sum()} dropped from {reason} (first: {shortened(texts['text'][copies].iloc[0])})"
        )
    return texts[~unused & ~copies].reset_index(drop=True)


def _with_batches(examples: pd.DataFrame, settings: PrepareData) -> pd.DataFrame:
    train = examples[examples["split"] == "train"]
    numbers = batches(train, settings.train_batch_size, settings.target_classes, settings.seed)
    return examples.assign(id=examples.index, batch=numbers.reindex(examples.index))[list(EXAMPLES)].reset_index(
        drop=True
    )
