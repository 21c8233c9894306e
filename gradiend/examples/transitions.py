"""Transitions: each row of a target class with the other target class as its alternative."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gradiend.errors import GradiendError
from gradiend.examples.classes import Classes, misspelt
from gradiend.examples.sources import Source
from gradiend.examples.tables import first, shortened


@dataclass
class Transitions:
    """The examples, how many alternatives were derived by transition, what was dropped by reason, warnings."""

    examples: pd.DataFrame
    derived: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)


def transitions(source: Source, classes: Classes, target_classes: Sequence[str], *, identity: bool) -> Transitions:
    """Rows -> examples `masked, factual, alternative, factual_class, alternative_class` (and split), by id.

    Rows of other classes become identity examples (`identity`) or are dropped. Raises `GradiendError` where
    an alternative cannot be derived or equals the factual token.
    """
    forms = surface_forms(source.rows)
    result = Transitions(source.rows, warnings=[*source.warnings, *_misspellings(source.rows, classes, target_classes)])
    parts = []
    indices = source.rows.groupby("factual_class").indices
    for name in sorted(map(str, indices)):
        rows = source.rows.iloc[indices[name]]
        if classes.partners[name]:
            parts.append(_target_examples(source, rows, name, classes, forms, result))
        elif classes.merged[name] not in target_classes and identity:
            parts.append(_identity_examples(rows, classes.merged[name]))
        else:
            result.dropped[_reason(name, classes, target_classes)] += len(rows)
    result.examples = pd.concat(parts).sort_index() if parts else source.rows.iloc[:0]
    return result


def surface_forms(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Class -> its surface forms, as labels and as alternatives, sorted."""
    labels = rows[["factual_class", "factual"]].drop_duplicates()
    alternatives = rows[["alternative_class", "alternative"]].dropna().drop_duplicates()
    pairs = np.concatenate([labels.to_numpy(dtype=object), alternatives.to_numpy(dtype=object)])
    forms: dict[str, set[str]] = {}
    for name, form in pairs.tolist():
        forms.setdefault(name, set()).add(form)
    return {name: sorted(found) for name, found in forms.items()}


def _target_examples(
    source: Source,
    rows: pd.DataFrame,
    name: str,
    classes: Classes,
    forms: Mapping[str, list[str]],
    result: Transitions,
) -> pd.DataFrame:
    """The examples of one class of the data; `result` counts the alternatives that were derived."""
    partners = classes.partners[name]
    rows = _with_words(source, rows, name, partners)
    factual_class, alternative_class = classes.merged[name], classes.merged[min(partners)]
    wanted = sorted({form for partner in partners for form in forms.get(partner, ())})
    own = _own_alternatives(rows, partners, {form for found in forms.values() for form in found} - set(wanted))
    if not own.all():
        row = source.where(int(rows.index[~own][0]))
        derived = _only_form(wanted, row, name, alternative_class)
        result.warnings += _replaced(source, rows[~own], name, alternative_class, derived)
        rows = rows.assign(alternative=rows["alternative"].where(own, derived))
        result.derived[f"{factual_class} -> {alternative_class}"] += int((~own).sum())
    _check_differ(source, rows, factual_class, alternative_class)
    return rows.assign(factual_class=factual_class, alternative_class=alternative_class)


def _with_words(source: Source, rows: pd.DataFrame, name: str, partners: frozenset[str]) -> pd.DataFrame:
    """The rows with the word of the other target class as alternative, where the source has one for each text."""
    words = source.words.reindex(index=rows.index, columns=sorted(partners & set(source.words.columns)))
    several = first((words.notna().sum(axis=1) > 1) & rows["alternative"].isna())
    if several is not None:
        there = "', '".join(words.columns[words.iloc[several].notna()])
        raise GradiendError(
            f"{source.where(int(rows.index[several]))}: class '{name}' has words of several classes here, '{there}': "
            "say which may stand for each other in class_merge_transition_groups"
        )
    for other in words.columns:
        missing = rows["alternative"].isna() & words[other].notna()
        rows = rows.assign(
            alternative=rows["alternative"].mask(missing, words[other]),
            alternative_class=rows["alternative_class"].mask(missing, other),
        )
    return rows


def _own_alternatives(rows: pd.DataFrame, partners: frozenset[str], foreign: set[str]) -> "pd.Series[bool]":
    """Whether a row's alternative is of one of the `partners`.

    One without a class is, unless the data knows it only as a form of other classes (`foreign`).
    """
    named = rows["alternative_class"].isin(partners)
    unnamed = rows["alternative_class"].isna() & ~rows["alternative"].isin(foreign)
    return rows["alternative"].notna() & (named | unnamed)


def _only_form(forms: Sequence[str], row: str, name: str, other: str) -> str:
    if len(forms) == 1:
        return forms[0]
    shown = ", ".join(map(shortened, forms[:12])) + (", ..." if len(forms) > 12 else "")
    same = len({form.casefold() for form in forms}) == 1
    hint = "write it in one way (they differ in capital letters only), or " if same else ""
    raise GradiendError(
        f"{row}: class '{name}' has no alternative of class '{other}' here, and none can be derived, for '{other}' has "
        f"{len(forms)} surface forms ({shown}): {hint}give the columns alternative and alternative_class"
    )


def _replaced(source: Source, rows: pd.DataFrame, name: str, other: str, derived: str) -> list[str]:
    """A warning on alternatives that are given and not used, for they are not of the other target class, if any."""
    given = rows[rows["alternative"].notna() & (rows["alternative"] != derived)]
    if given.empty:
        return []
    where = source.where(int(given.index[0]))
    return [
        f"{len(given)} alternatives of class '{name}' are not of class '{other}': '{derived}' is used instead "
        f"(first: {where}: {shortened(given['alternative'].iloc[0])})"
    ]


def _check_differ(source: Source, rows: pd.DataFrame, factual_class: str, alternative_class: str) -> None:
    position = first(rows["factual"] == rows["alternative"])
    if position is not None:
        row, form = source.where(int(rows.index[position])), shortened(rows["factual"].iloc[position])
        raise GradiendError(
            f"{row}: label and alternative are both {form}, for class '{factual_class}' and for "
            f"'{alternative_class}': they must differ"
        )


def _identity_examples(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return rows.assign(alternative=rows["factual"], factual_class=name, alternative_class=name)


def _reason(name: str, classes: Classes, target_classes: Sequence[str]) -> str:
    if classes.merged[name] in target_classes:
        return f"class '{name}': its transition groups have no class of the other target class"
    return f"class '{name}': not a target class"


def _misspellings(rows: pd.DataFrame, classes: Classes, target_classes: Sequence[str]) -> list[str]:
    """Warnings on classes of the data that look like a target class, or a class merged into one."""
    right = {*target_classes, *(name for name, merged in classes.merged.items() if merged in target_classes)}
    found = []
    for column in ("factual_class", "alternative_class"):
        counts = rows[column].value_counts()
        for name in sorted(set(counts.index) - right):
            nearest = misspelt(name, sorted(right))
            if nearest:
                here = f"{column} {shortened(name)} ({counts[name]} rows)"
                found.append(f"{here} is not a target class: is it {shortened(nearest)}?")
    return found
