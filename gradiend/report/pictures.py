"""The figures of a report: which there are, what they show in words, and why one is missing."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gradiend import plots
from gradiend.files import file_name
from gradiend.labels import spoken_class
from gradiend.layers import layers_and_components
from gradiend.report.inputs import Inputs, entry_counts
from gradiend.report.numbers import MINUS, UNKNOWN, count, known, number, percent, probability, score
from gradiend.report.outcomes import Outcome, kept_share, outcomes, value_of

NEUTRAL_TEXT = "neutral text"
OUTSIDE = UNKNOWN


@dataclass(frozen=True)
class Picture:
    """`figure`, or why it is `missing`; `name` is its file's, `alt` says what it shows to those who cannot see it."""

    name: str
    title: str
    alt: str
    caption: str = ""
    figure: Figure | None = None
    missing: str = ""

    @property
    def wide(self) -> bool:
        """Whether it needs the whole width of the page."""
        return self.figure is not None and self.figure.get_figwidth() > plots.WIDTH


def pictures(inputs: Inputs) -> list[Picture]:
    """All figures, in the order in which they are shown."""
    found = outcomes(inputs.decoder, inputs.target_classes)
    return [
        convergence(inputs),
        encoded_values(inputs),
        *(decoder_grid(inputs, outcome) for outcome in found),
        *(probability_shift(inputs, outcome) for outcome in found if outcome.made),
        kept_entries(inputs),
    ]


def convergence(inputs: Inputs) -> Picture:
    """Loss, correlation and class means of all seeds, by step."""
    title, curves = "How training went", _curves(inputs)
    threshold = known(inputs.seed_report["threshold"])
    if curves.empty:
        return Picture("convergence", title, "", missing="No training has recorded anything.")
    figure = plots.convergence(
        curves,
        _means(inputs),
        classes=[name for name in inputs.classes if name in set(_means(inputs)["name"])],
        selected=inputs.selected,
        best_step=inputs.training["best_step"],
        thresholds={} if threshold is None else {inputs.seed_report["convergence_metric"]: threshold},
    )
    last = known(inputs.training["curves"][-1]["correlation"])
    alt = f"Loss, correlation and mean encoded values by step for {len(inputs.trainings)} seeds; "
    alt += f"the selected seed {inputs.selected} ends at correlation {score(last)}."
    caption = "Correlation and means are of the in-training evaluation rows, before the sign is normalised."
    return Picture("convergence", title, alt, caption, figure)


def encoded_values(inputs: Inputs) -> Picture:
    """Encoded values on test by class, with neutral text."""
    title, values = "Encoded values by class, on test", _values(inputs)
    if values.empty:
        reason = inputs.metrics["test"]["reason"] or "Nothing was encoded."
        return Picture("encoded_values", title, "", missing=reason)
    there = set(values["name"])
    classes = [name for name in (*inputs.classes, NEUTRAL_TEXT) if name in there]
    medians = values.groupby("name")["encoded"].median()
    alt = "Encoded values by class, medians: " + ", ".join(f"{name} {score(medians[name])}" for name in classes) + "."
    caption = (
        "By the class that the source gradient speaks for. Bar: quartiles, circle: median, line: 5 to 95 %. "
        f"{inputs.target_classes[0]} should lie at +1, {inputs.target_classes[1]} at {MINUS}1, all else at 0."
    )
    if int(values["name"].value_counts().max()) > plots.MOST_POINTS:
        caption += f" Of each class at most {plots.MOST_POINTS} points are drawn, evenly spaced in rank."
    return Picture("encoded_values", title, alt, caption, plots.encoded_values(values, classes=classes))


def decoder_grid(inputs: Inputs, outcome: Outcome) -> Picture:
    """P(class) against LMS for every candidate of one choice."""
    name, title = f"decoder_grid_{_file(outcome)}", f"Candidates to {outcome.name}"
    candidates = _candidates(inputs, outcome)
    if candidates.empty:
        return Picture(name, title, "", missing=outcome.choice["reason"] or "No candidate was measured.")
    passing = int(candidates["passes"].sum())
    alt = f"{outcome.what} against the LMS kept, for {len(candidates)} candidates; {passing} of them keep the LMS. "
    rate = number(outcome.choice["learning_rate"])
    alt += f"Chosen: learning rate {rate}." if outcome.made else f"None was chosen: {outcome.choice['reason']}."
    caption = f"On validation; one point a learning rate ({len(candidates)}, {passing} keep the LMS)."
    caption += "" if outcome.made else " None was chosen."
    caption += "" if inputs.lms_ratio is not None else " Which share of the LMS must be kept is not recorded."
    figure = plots.decoder_grid(
        candidates, base=outcome.before("validation"), threshold=inputs.lms_ratio, what=f"{outcome.what}, mean"
    )
    return Picture(name, title, alt, caption, figure)


def probability_shift(inputs: Inputs, outcome: Outcome) -> Picture:
    """What one rewritten model does to the probabilities, on test."""
    name, title = f"probability_shift_{_file(outcome)}", f"Probabilities on test: {outcome.name}"
    shifts = _shifts(inputs, outcome)
    if shifts.empty:
        return Picture(name, title, "", missing="Nothing was measured on test.")
    moves = (
        f"P({row.scored}) on {row.on} from {probability(row.before)} to {probability(row.after)}"
        for row in shifts.itertuples()
    )
    n = value_of(outcome.choice, "test", "n")
    return Picture(
        name, title, f"{'; '.join(moves)}.", f"On the {count(n)} examples of test.", plots.probability_shift(shifts)
    )


def kept_entries(inputs: Inputs) -> Picture:
    """Where in the base model the kept entries lie."""
    counts = entry_counts(inputs.space)
    first = max(counts, key=lambda name: counts[name][0], default=None)
    if first is None:
        return Picture("kept_entries", "Where the kept entries lie", "", missing="The space has no parameter.")
    total, whole = inputs.space.input_dim, inputs.entries
    share = percent(total / max(1, whole))
    said = f"{count(total)} of {count(whole)} entries are kept ({share}), most of them in {first}."
    figure = plots.kept_entries(shares_by_layer(counts))
    caption = f"{said} In a cell: percent of its entries. {OUTSIDE}: outside the layers."
    return Picture("kept_entries", "Where the kept entries lie", said, caption, figure)


def shares_by_layer(counts: Mapping[str, tuple[int, int]]) -> pd.DataFrame:
    """Share of kept entries, components as index and layers as columns, in model order; missing where there is none.

    The first number in a parameter's name is its layer, whatever the model calls it; where there are several
    stacks of layers, the stack's name stays in front of the component.
    """
    places = dict(zip(counts, layers_and_components(list(counts)), strict=True))
    layers = sorted({layer for layer, _ in places.values() if layer is not None})
    outside = [OUTSIDE] if any(layer is None for layer, _ in places.values()) else []
    table = pd.DataFrame(
        np.nan, index=list(dict.fromkeys(own for _, own in places.values())), columns=[*outside, *layers]
    )
    for name, (layer, component) in places.items():
        kept, size = counts[name]
        table.loc[component, OUTSIDE if layer is None else layer] = kept / size if size else np.nan
    return table


def _curves(inputs: Inputs) -> pd.DataFrame:
    rows = [
        {"seed": one["seed"], "step": line["step"], "loss": line["loss"], "correlation": line["correlation"]}
        for one in inputs.trainings
        for line in one["curves"]
    ]
    table = pd.DataFrame(rows, columns=["seed", "step", "loss", "correlation"])
    return table.astype({"loss": float, "correlation": float})


def _means(inputs: Inputs) -> pd.DataFrame:
    rows = [
        {"seed": one["seed"], "step": line["step"], "name": name, "mean": mean}
        for one in inputs.trainings
        for line in one["curves"]
        for name, mean in line["mean_by_class"].items()
        if mean is not None
    ]
    return pd.DataFrame(rows, columns=["seed", "step", "name", "mean"])


def _values(inputs: Inputs) -> pd.DataFrame:
    """`name, encoded` of the test rows and the neutral texts; values that are missing are left out."""
    table = inputs.encodings[inputs.encodings["split"].isin(["test", "neutral"])]
    names = spoken_class(table, inputs.model_config["source"]).mask(table["split"] == "neutral", NEUTRAL_TEXT)
    return pd.DataFrame({"name": names, "encoded": table["encoded"].astype(float)}).dropna()


def _candidates(inputs: Inputs, outcome: Outcome) -> pd.DataFrame:
    """The validation lines of the grid for one choice, as `plots.decoder_grid` wants them."""
    grid, choice = inputs.grid, outcome.choice
    if outcome.key not in grid:
        return pd.DataFrame()
    own = grid[(grid["target_class"] == outcome.target_class) & (grid["direction"] == outcome.direction)]
    own = own[own["split"] == "validation"]
    same = (own["learning_rate"] == choice["learning_rate"]) & (own["feature_factor"] == choice["feature_factor"])
    pairs = zip(own["lms"], own["lms_difference"], strict=True)
    kept = [kept_share({"lms": lms, "lms_difference": difference}) for lms, difference in pairs]
    table = own[["learning_rate", "feature_factor", "passes"]].assign(
        kept=np.array(kept, dtype=float), value=own[outcome.key].astype(float), chosen=same
    )
    return table.dropna(subset=["kept", "value"])


def _shifts(inputs: Inputs, outcome: Outcome) -> pd.DataFrame:
    rows = [
        {"scored": scored, "on": name, "before": before, "after": after}
        for name in inputs.classes
        for scored in inputs.target_classes
        if (before := value_of(outcome.base, "test", key := f"p_{scored}_on_{name}")) is not None
        and (after := value_of(outcome.choice, "test", key)) is not None
    ]
    return pd.DataFrame(rows, columns=["scored", "on", "before", "after"])


def _file(outcome: Outcome) -> str:
    return (
        outcome.direction
        if outcome.direction == outcome.target_class
        else f"{outcome.direction}_{file_name(outcome.target_class)}"
    )
