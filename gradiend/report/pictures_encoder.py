"""The figures of the encoded values."""

import pandas as pd

from gradiend import plots
from gradiend.plots_encoder import most_points
from gradiend.report.encodings import NEUTRAL_TEXT, cut, encodings
from gradiend.report.inputs import Inputs
from gradiend.report.numbers import MINUS, score
from gradiend.report.picture import Picture

MOST_WORDS = 14
OTHER_WORDS = "other words"
HINT = "Point at one to read its text."


def encoded_values(inputs: Inputs) -> Picture:
    """Encoded values on test by class, with neutral text."""
    title, table = "Encoded values by class, on test", encodings(inputs)
    if table.empty:
        reason = inputs.metrics["test"]["reason"] or "Nothing was encoded."
        return Picture("encoded_values", title, "", missing=reason)
    there = set(table["name"])
    classes = [name for name in (*inputs.classes, NEUTRAL_TEXT) if name in there]
    medians = table.groupby("name")["encoded"].median()
    alt = "Encoded values by class, medians: " + ", ".join(f"{name} {score(medians[name])}" for name in classes) + "."
    caption = (
        "By the class that the source gradient speaks for. Bar: quartiles, circle: median, line: 5 to 95 %. "
        f"{inputs.target_classes[0]} should lie at +1, {inputs.target_classes[1]} at {MINUS}1, all else at 0."
    )
    caption += _drawn(table["name"])
    figure = plots.encoded_values(_as_drawn(table, "name"), classes=classes)
    return Picture("encoded_values", title, alt, caption, figure, table, hint=HINT)


def encoded_words(inputs: Inputs) -> Picture:
    """Encoded values on test by the word that the source gradient speaks for."""
    title, table = "Encoded values by word, on test", encodings(inputs)
    table = table[table["word"].notna()]
    if table.empty:
        reason = inputs.metrics["test"]["reason"] or "Nothing was encoded."
        return Picture("encoded_words", title, "", missing=reason)
    keys = list(zip(table["word"], table["name"], strict=True))
    labelled, groups = _labelled(keys, inputs)
    table = table.assign(group=labelled)
    by_class = plots.colours([*inputs.classes])
    own_class = table.groupby("group")["name"].first()
    medians = table.groupby("group")["encoded"].median()
    chosen = {group: plots.PALE if group == OTHER_WORDS else by_class[own_class[group]] for group in groups}
    alt = "Encoded values by word, medians: " + ", ".join(f"{name} {score(medians[name])}" for name in groups) + "."
    caption = "By the word that the source gradient speaks for; one colour a class." + _drawn(table["group"])
    figure = plots.encoded_values(_as_drawn(table, "group"), classes=groups, group_colours=chosen)
    return Picture("encoded_words", title, alt, caption, figure, table, hint=HINT)


def _labelled(keys: list[tuple[str, str]], inputs: Inputs) -> tuple[list[str], list[str]]:
    """The group of each row, and the groups in order: by class, then by how often; rare words share the last group."""
    counts = pd.Series(keys).value_counts(sort=True)
    common = list(counts.index[: MOST_WORDS if len(counts) <= MOST_WORDS else MOST_WORDS - 1])
    classes_of = pd.Series([word for word, _ in common]).value_counts()
    names = {(word, name): word if classes_of[word] == 1 else f"{word} ({name})" for word, name in common}
    place = {name: i for i, name in enumerate(inputs.classes)}
    ordered = [names[key] for key in sorted(common, key=lambda key: (place.get(key[1], len(place)), -counts[key]))]
    found = [names.get(key, OTHER_WORDS) for key in keys]
    return found, [*ordered, *([OTHER_WORDS] if OTHER_WORDS in found else [])]


def _as_drawn(table: pd.DataFrame, by: str) -> pd.DataFrame:
    said = table["encoded"].map(score) + ": " + table["text"].map(cut)
    return pd.DataFrame({"name": table[by], "encoded": table["encoded"], "text": said})


def _drawn(groups: "pd.Series[str]") -> str:
    most = most_points(groups.nunique())
    if int(groups.value_counts().max()) <= most:
        return ""
    return f" Of each at most {most} points are drawn, evenly spaced in rank."
