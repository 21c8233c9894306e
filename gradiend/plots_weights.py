"""Figures of the weights: where in the base model the feature sits."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from gradiend.plots_style import INK, WIDTH, name_ticks, points, styled

SHARES = (1e-12, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0)  # bounds of the colours of the maps
BLUES = ("#deebf7", "#b6d3ea", "#85b8db", "#4a94c8", "#1b69ad", "#08306b")
LONGEST_COMPONENT = 34  # characters
DARK_TEXT, LIGHT_TEXT = "#111111", "#fefefe"  # on a coloured cell, whatever is around it


@styled
def kept_entries(shares: pd.DataFrame) -> Figure:
    """The share of kept entries: components down, layers across; blank where there is no such parameter.

    `shares` has the components as index and the layers as columns, missing values where there is nothing.
    """
    return _by_layer(shares, "kept entries, % of the parameter's")


@styled
def update_shares(shares: pd.DataFrame) -> Figure:
    """The share of the update's squared norm, which is 1 in all; `shares` as for `kept_entries`."""
    return _by_layer(shares, "squared norm of the update, % of all")


def _by_layer(shares: pd.DataFrame, what: str) -> Figure:
    rows, columns = shares.shape
    size = (min(9.0, max(WIDTH, 2.3 + 0.22 * columns)), 1.3 + 0.21 * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    shades = ListedColormap(list(BLUES)).with_extremes(under="#f2f2f2", bad="white")
    norm = BoundaryNorm(SHARES, len(BLUES))
    mesh = axes.pcolormesh(shares.to_numpy(float), cmap=shades, norm=norm, edgecolors="white", linewidth=0.8)
    bar = figure.colorbar(mesh, ax=axes, location="bottom", ticks=SHARES, aspect=30, label=what)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g}" if share > 1e-9 else "0"))
    step = 1 + (columns - 1) // 16
    axes.set_xticks(np.arange(0, columns, step) + 0.5, [str(name) for name in shares.columns[::step]])
    name_ticks(axes.yaxis, np.arange(rows) + 0.5, list(shares.index), LONGEST_COMPONENT)
    axes.tick_params(length=0, labelsize=8.5)
    axes.set(xlabel="layer", ylim=(rows, 0))
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    if columns <= 8:
        _percentages(axes, shares.to_numpy(float))
    _said(axes, shares)
    return figure


def _percentages(axes: Axes, shares: np.ndarray) -> None:
    for row, column in np.argwhere(~np.isnan(shares)):
        share = 100 * shares[row, column]
        text = "<1" if 0 < share < 0.5 else f"{share:.0f}"
        colour = INK if share == 0 else LIGHT_TEXT if share >= 10 else DARK_TEXT
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=colour)


def _said(axes: Axes, shares: pd.DataFrame) -> None:
    """Every cell says what it is, by a point that is not seen."""
    values = shares.to_numpy(float)
    there = np.argwhere(~np.isnan(values))
    texts = [
        f"{shares.index[row]}, layer {shares.columns[column]}: {100 * values[row, column]:.3g} %"
        for row, column in there
    ]
    points(axes, there[:, 1] + 0.5, there[:, 0] + 0.5, texts, s=150, alpha=0, marker="s", linewidths=0)
