"""Figures of the encoder: what gradients are encoded to."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradiend.plots_style import INK, PALE, WIDTH, colours, decimals, name_ticks, points, styled

MOST_POINTS = 300  # drawn of a group
MOST_IN_ALL = 2_000


def most_points(groups: int) -> int:
    """How many points of each of so many groups are drawn."""
    return min(MOST_POINTS, max(20, MOST_IN_ALL // max(1, groups)))


@styled
def encoded_values(
    values: pd.DataFrame, *, classes: Sequence[str], group_colours: Mapping[str, str] | None = None
) -> Figure:
    """The encoded values by class: points, spread by how many lie there, and a box of the quartiles.

    `values` has `name, encoded` and, where points are to say something, `text`. Of many points, `MOST_POINTS` evenly
    spaced in rank are drawn, and `MOST_IN_ALL` of all classes together; the box is of all. `classes` may be any names
    to group by; colours are by their place, or `group_colours`.
    """
    ordered = values.sort_values("encoded", kind="stable", ignore_index=True)
    said = ordered["text"] if "text" in ordered else ordered["encoded"].map(lambda value: decimals(value, 3))
    groups = [(name, ordered.index[ordered["name"] == name]) for name in classes]
    figure = Figure(figsize=(WIDTH, 1.1 + 0.62 * len(groups)), layout="constrained")
    axes = figure.subplots()
    low, high = min(-1.0, values["encoded"].min()), max(1.0, values["encoded"].max())
    bins, chosen = np.linspace(low, high, 61), group_colours or colours(classes)
    most = most_points(len(groups))
    for place, (name, own) in enumerate(groups):
        shown = _thinned(own.to_numpy(), most)
        encoded = ordered["encoded"].loc[shown].to_numpy()
        look = {"color": chosen[name], "s": 14, "linewidths": 0, "alpha": 0.55}
        points(axes, encoded, place + _spread(encoded, bins), said.loc[shown].tolist(), **look)
        _box(axes, ordered["encoded"].loc[own].to_numpy(), place)
    counts = [f"\nn = {len(own):,}" for _, own in groups]
    name_ticks(axes.yaxis, range(len(groups)), [name for name, _ in groups], beside=counts)
    margin = 0.06 * (high - low)
    axes.set(xlabel="encoded value", xlim=(low - margin, high + margin), ylim=(len(groups) - 0.45, -0.55))
    axes.axvline(0, color=PALE, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", visible=False)
    return figure


def _thinned(ordered: np.ndarray, most: int) -> np.ndarray:
    """At most so many, evenly spaced in rank, the smallest and the largest among them."""
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), most)).round().astype(int)
    return np.asarray(ordered[places])


def _spread(ordered: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Offsets in +-0.36, the wider the more points share a bin; golden-ratio steps, hence no random numbers."""
    where = np.clip(np.digitize(ordered, bins), 1, len(bins) - 1)
    counts = np.bincount(where, minlength=len(bins) + 1)
    steps = (np.arange(len(ordered)) * 0.618034) % 1 - 0.5
    return np.asarray(0.72 * steps * np.sqrt(counts[where] / max(1, counts.max())))


def _box(axes: Axes, encoded: np.ndarray, place: int) -> None:
    """Quartiles and the 5 to 95 % range."""
    if len(encoded):
        low, first, median, third, high = np.quantile(encoded, [0.05, 0.25, 0.5, 0.75, 0.95])
        axes.plot([low, high], [place, place], color=INK, linewidth=1)
        axes.plot([first, third], [place, place], color=INK, linewidth=5, solid_capstyle="butt")
        axes.plot(median, place, "o", color="white", markeredgecolor=INK, markersize=5)
