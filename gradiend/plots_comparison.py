"""Figures of a comparison: maps of pairs of runs or seeds, and where in the base model each run's weights lie."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from gradiend.comparison import matrix
from gradiend.plots_style import LONGEST_RUN, PALE, WIDTH, decimals, name_ticks, short, styled
from gradiend.plots_weights import BLUES, DARK_TEXT, LIGHT_TEXT

SHARES = LinearSegmentedColormap.from_list("shares", ["#fdfdfd", *BLUES])  # pure white is the page's, dark at night
SIGNED = LinearSegmentedColormap.from_list("signed", ["#8a2d00", "#D55E00", "#f7f7f7", "#0072B2", "#00324f"])
MOST_WRITTEN = 16  # runs, of a map in which numbers are written
MOST_CELLS = 2500  # that are drawn one by one: a map of 200 runs took 10 MB of paths
OUTSIDE = "outside"
UNKNOWN, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


@styled
def overlap_map(table: pd.DataFrame, names: Sequence[str], k: int) -> Figure:
    """The overlap of the top entries above, of the kept entries below; the table of `comparison.overlaps`."""
    figure, (top, kept) = _stacked(names, 2)
    for axes, entries, title in ((top, "top", f"Top {k:,} entries in common, share"), (kept, "kept", "Kept entries")):
        own = table[table["entries"] == entries]
        _map(axes, matrix(own, "overlap", names), SHARES, (0, 1))
        chance = own.loc[own["run"] != own["other"], "chance"].mean()
        axes.set_title(
            f"{title} (by chance {chance:.2g})" if entries == "top" else f"{title} in common, share of the smaller"
        )
    return figure


@styled
def cosine_map(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Cosines of the directions that strengthen each run's first target class."""
    figure, (axes,) = _stacked(names, 1)
    _map(axes, matrix(table, "cosine", names), SIGNED, (-1, 1))
    axes.set_title("Cosine of decoder directions")
    return figure


@styled
def cross_encoding_map(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Correlation of each encoder (down) on the test examples of each run (across) with that run's labels."""
    figure, (axes,) = _stacked(names, 1)
    wide = table.pivot(index="encoder", columns="run", values="correlation").reindex(
        index=list(names), columns=list(names)
    )
    _map(axes, wide.astype(float), SIGNED, (-1, 1))
    axes.set(title="Correlation with the labels", xlabel="on the test examples of", ylabel="encoder of")
    return figure


@styled
def layer_map(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """The share of squared decoder weights by layer above, by component below, a row for each run."""
    layer = table["layer"].astype("Int64").astype(str).where(table["layer"].notna(), OUTSIDE)
    order = [OUTSIDE] * (OUTSIDE in set(layer)) + [str(i) for i in sorted(table["layer"].dropna().unique())]
    by_layer = table.assign(layer=layer).pivot_table(index="run", columns="layer", values="share", aggfunc="sum")
    components = list(dict.fromkeys(table["component"]))
    by_component = table.pivot_table(index="component", columns="run", values="share", aggfunc="sum")
    wide = max(WIDTH, 1.9 + 0.34 * max(len(order), len(names)))
    heights = (1.0 + 0.26 * len(names), 1.9 + 0.24 * len(components))
    figure = Figure(figsize=(wide, sum(heights) + 0.9), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=heights)
    _map(above, by_layer.reindex(index=list(names), columns=order), SHARES, (0, None), percent=True)
    figure.suptitle("Squared decoder weights", x=0.01, ha="left", fontsize=10)
    above.set(title="By layer, %", xlabel="layer")
    above.tick_params(axis="x", rotation=0)
    _map(below, by_component.reindex(index=components, columns=list(names)), SHARES, (0, None), percent=True)
    below.set_title("By component, %")
    return figure


@styled
def seed_pairs(content: Mapping[str, Any]) -> Figure:
    """Overlap and cosine of the converged seeds of a run; the content of stability.json."""
    pairs = pd.DataFrame(content["pairs"])
    if pairs.empty:
        figure = Figure(figsize=(WIDTH, 1.2), layout="constrained")
        figure.text(0.5, 0.5, _wrapped(content["reason"]), ha="center", va="center", color=PALE)
        return figure
    names = [str(seed) for seed in content["converged"]]
    figure, (top, cosine) = _stacked(names, 2)
    for axes, value, shades, limits in ((top, "overlap", SHARES, (0, 1)), (cosine, "cosine", SIGNED, (-1, 1))):
        wide = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
        for seed, other, found in zip(pairs["seed"], pairs["other"], pairs[value], strict=True):
            wide.loc[str(seed), str(other)] = wide.loc[str(other), str(seed)] = np.nan if found is None else found
        _map(axes, wide, shades, limits)
    top.set_title(f"Top {content['k']:,} entries in common, by seed")
    cosine.set_title("Cosine of decoder directions, by seed")
    return figure


def _stacked(names: Sequence[str], count: int) -> tuple[Figure, Sequence[Axes]]:
    """Square maps below each other, each as large as its names need."""
    cell = 0.52 if len(names) <= MOST_WRITTEN else 0.24
    margin = 0.6 + 0.075 * max(len(short(name, LONGEST_RUN)) for name in names)
    side = max(WIDTH, margin + 0.8 + cell * len(names))
    figure = Figure(figsize=(side, count * side * 0.95), layout="constrained", dpi=100 if len(names) <= 50 else 50)
    return figure, list(figure.subplots(count, 1, squeeze=False)[:, 0])


def _map(
    axes: Axes, table: pd.DataFrame, shades: Colormap, limits: tuple[float, float | None], *, percent: bool = False
) -> None:
    values = table.to_numpy(float)
    low, high = limits[0], limits[1] if limits[1] is not None else max(1e-12, float(np.nanmax(values, initial=0.0)))
    mesh = axes.pcolormesh(values, cmap=shades, vmin=low, vmax=high, edgecolors="white", linewidth=0.8)
    mesh.set_rasterized(values.size > MOST_CELLS)
    name_ticks(axes.xaxis, np.arange(values.shape[1]) + 0.5, list(table.columns), LONGEST_RUN)
    axes.tick_params(axis="x", rotation=90 if max(len(str(name)) for name in table.columns) > 4 else 0)
    name_ticks(axes.yaxis, np.arange(values.shape[0]) + 0.5, list(table.index), LONGEST_RUN)
    axes.tick_params(length=0, labelsize=8.5)
    axes.set_ylim(values.shape[0], 0)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    for row, column in np.ndindex(values.shape):
        _written(
            axes, float(values[row, column]), row, column, shades, (low, high), percent=percent, many=max(values.shape)
        )


def _written(
    axes: Axes,
    value: float,
    row: int,
    column: int,
    shades: Colormap,
    limits: tuple[float, float],
    *,
    percent: bool,
    many: int,
) -> None:
    """The number in its cell, in the colour that can be read there; a dash where there is none."""
    if not percent and many > MOST_WRITTEN:
        return
    if np.isnan(value):
        axes.text(column + 0.5, row + 0.5, UNKNOWN, ha="center", va="center", fontsize=8, color=PALE)
        return
    red, green, blue, _ = shades((value - limits[0]) / (limits[1] - limits[0]))
    colour = LIGHT_TEXT if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else DARK_TEXT
    text = decimals(100 * value, 0) if percent else _number(value)
    axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=colour)


def _number(value: float) -> str:
    """Two decimals; what is not 1, but for rounding, is never written as 1."""
    if 0.995 <= abs(value) < 1 - 1e-6:
        return ">.99" if value > 0 else f"<{MINUS}.99"
    return decimals(value, 2).replace("0.", ".", 1)


def _wrapped(text: str) -> str:
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 52:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
