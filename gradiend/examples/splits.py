"""Splits: their names, which of them are needed, and no example in two of them."""

from collections.abc import Callable, Sequence

import pandas as pd

from gradiend.errors import GradiendError, did_you_mean
from gradiend.examples.tables import TEXT, first, shortened

SPLITS = ("train", "validation", "test")
_NAMES = {**{name: name for name in SPLITS}, **dict.fromkeys(("val", "dev", "valid"), "validation")}
SAME = ["masked", "factual"]  # examples that agree in these are copies of each other


def split_names(cells: "pd.Series[str]", where: Callable[[int], str]) -> "pd.Series[str]":
    """The cells as train, validation or test. An unknown name is a `GradiendError`; `where` names its row."""
    known = {cell: _NAMES.get(str(cell).strip().lower()) for cell in cells.unique()}
    names = cells.map(known).astype(TEXT)
    position = first(names.isna())
    if position is not None:
        cell = cells.iloc[position]
        raise GradiendError(f"{where(position)}: unknown split {shortened(cell)}" + did_you_mean(cell, _NAMES))
    return names


def require_splits(splits: "pd.Series[str]", needed: Sequence[str], origin: str) -> None:
    """Raise `GradiendError` unless every needed split occurs."""
    found = set(splits.unique())
    for name in needed:
        if name not in found:
            there = ", ".join(f"'{split}'" for split in SPLITS if split in found)
            raise GradiendError(f"{origin}: no row has the split '{name}' (there: {there}): it is needed")


def require_transitions(examples: pd.DataFrame, target_classes: Sequence[str]) -> None:
    """Raise `GradiendError` unless every split has examples of both transitions of the target classes."""
    for split, name in missing_transitions(examples, target_classes):
        other = target_classes[1 - list(target_classes).index(name)]
        counts = examples.loc[examples["factual_class"] == name, "split"].value_counts()
        there = ", ".join(f"{counts.get(one, 0)} {one}" for one in SPLITS)
        raise GradiendError(
            f"split '{split}': no example of the transition {name} -> {other} (it has {there}): each split needs one"
        )


def missing_transitions(examples: pd.DataFrame, target_classes: Sequence[str]) -> list[tuple[str, str]]:
    """The splits that lack examples of a target class, with that class."""
    pairs = examples[["split", "factual_class"]].drop_duplicates()
    found = set(zip(pairs["split"], pairs["factual_class"], strict=True))
    return [(split, name) for split in SPLITS for name in target_classes if (split, name) not in found]


def without_copies(examples: pd.DataFrame) -> "tuple[pd.DataFrame, pd.Series[str]]":
    """The examples without copies (same text and label) of a later split's, and each dropped one's reason.

    Train loses against validation and test, validation loses against test; copies inside a split stay.
    """
    rank = examples["split"].map({name: number for number, name in enumerate(SPLITS)})
    winner = rank.groupby([examples[column] for column in SAME], sort=False).transform("max")
    lost = rank < winner
    kept_in = winner[lost].map(dict(enumerate(SPLITS))).astype(TEXT)
    return examples[~lost], examples.loc[lost, "split"] + ": same text and label in " + kept_in


def copies(examples: pd.DataFrame) -> dict[str, int]:
    """Split -> how many of its examples repeat the text and label of an earlier one of that split."""
    repeated = examples.duplicated([*SAME, "split"])
    return {split: int((repeated & (examples["split"] == split)).sum()) for split in SPLITS}
