"""Counts of the data: what there is, what was derived and what was dropped."""

from typing import Any

import pandas as pd

from gradiend.examples.splits import SPLITS, copies


def summary(examples: pd.DataFrame, neutral: pd.DataFrame, uncapped: pd.DataFrame) -> dict[str, Any]:
    """`examples` and `transitions` (split -> name -> count), `batches` (transition -> count), `copies` (split ->
    examples that repeat one), `neutral` (split -> count); `surface_forms` (class -> form -> count as factual token) of
    the examples before any was left out by a cap.
    """
    names = transition_names(examples)
    train = examples["split"] == "train"
    return {
        "examples": _by_split(examples, examples["factual_class"]),
        "transitions": _by_split(examples, names),
        "batches": _counts(examples.loc[train, "batch"].groupby(names[train]).nunique()),
        "copies": copies(examples),
        "surface_forms": surface_forms(uncapped),
        "neutral": {split: int((neutral["split"] == split).sum()) for split in SPLITS},
    }


def transition_names(examples: pd.DataFrame) -> "pd.Series[str]":
    """`"factual class -> alternative class"` of each example."""
    return examples["factual_class"] + " -> " + examples["alternative_class"]


def _by_split(examples: pd.DataFrame, names: "pd.Series[str]") -> dict[str, dict[str, int]]:
    return {split: _counts(names[examples["split"] == split].value_counts()) for split in SPLITS}


def surface_forms(examples: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Every form of a class; 0 for those that are alternatives only."""
    factual = examples[["factual_class", "factual"]].value_counts()
    found: dict[str, dict[str, int]] = {}
    for name, form in examples[["alternative_class", "alternative"]].drop_duplicates().to_numpy().tolist():
        found.setdefault(name, {})[form] = 0
    for (name, form), count in zip(factual.index.tolist(), factual.tolist(), strict=True):
        found.setdefault(name, {})[form] = count
    return found


def _counts(counts: "pd.Series[int]") -> dict[str, int]:
    return {str(name): int(count) for name, count in counts.items()}
