"""The figures of where in the base model the feature sits."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gradiend import plots
from gradiend.layers import layers_and_components
from gradiend.report.entries import shares_of_norm
from gradiend.report.inputs import Inputs, entry_counts
from gradiend.report.numbers import UNKNOWN, count, percent
from gradiend.report.picture import Picture

OUTSIDE = UNKNOWN
HINT = "Point at a cell, or at a name that is cut, to read what it is."


def kept_entries(inputs: Inputs) -> Picture:
    """Where in the base model the kept entries lie."""
    title, counts = "Where the kept entries lie", entry_counts(inputs.space)
    first = max(counts, key=lambda name: counts[name][0], default=None)
    if first is None:
        return Picture("kept_entries", title, "", missing="The space has no parameter.")
    total, whole = inputs.space.input_dim, inputs.entries
    share = percent(total / max(1, whole))
    said = f"{count(total)} of {count(whole)} entries are kept ({share}), most of them in {first}."
    shares = shares_by_layer({name: kept / size if size else np.nan for name, (kept, size) in counts.items()})
    caption = f"{said} In a cell: percent of the parameter's entries. {OUTSIDE}: outside the layers."
    data = pd.DataFrame([(name, *own) for name, own in counts.items()], columns=["parameter", "kept", "entries"])
    return Picture("kept_entries", title, said, caption, plots.kept_entries(shares), data, hint=HINT)


def update_shares(inputs: Inputs) -> Picture:
    """Where the weights of the GRADIEND are large."""
    title, found = "Where the update is large", shares_of_norm(inputs.space, inputs.weights)
    if not found:
        return Picture("update_shares", title, "", missing=f"All weights of the {inputs.weights_of} are 0.")
    first = max(found, key=found.__getitem__)
    said = (
        f"Most of it lies in {first}: {percent(found[first])} of the squared norm of the {inputs.weights_of}'s weights."
    )
    caption = f"{said} All cells together are 100 %. {OUTSIDE}: outside the layers."
    data = pd.DataFrame(list(found.items()), columns=["parameter", "share of the squared norm"])
    return Picture("update_shares", title, said, caption, plots.update_shares(shares_by_layer(found)), data, hint=HINT)


def shares_by_layer(shares: Mapping[str, float]) -> pd.DataFrame:
    """The parameters' shares, components as index and layers as columns, in model order; missing where there is none.

    The first number in a parameter's name is its layer, whatever the model calls it; where there are several
    stacks of layers, the stack's name stays in front of the component.
    """
    places = dict(zip(shares, layers_and_components(list(shares)), strict=True))
    layers = sorted({layer for layer, _ in places.values() if layer is not None})
    outside = [OUTSIDE] if any(layer is None for layer, _ in places.values()) else []
    table = pd.DataFrame(
        np.nan, index=list(dict.fromkeys(own for _, own in places.values())), columns=[*outside, *layers]
    )
    for name, (layer, component) in places.items():
        table.loc[component, OUTSIDE if layer is None else layer] = shares[name]
    return table
