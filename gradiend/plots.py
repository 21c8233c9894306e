"""Figures of a run: tables in, matplotlib Figures out, SVG text on request.

No pyplot. The style holds inside these functions only: neither the user's matplotlib settings nor the reader's
screen change a figure, so the same table gives the same bytes. Colours are Okabe and Ito's, told apart by
colour-blind readers; what matters differs in shape too. Class names are text, never TeX.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

WIDTH = 4.6  # inches: text stays readable where the figure is scaled down to a telephone
MOST_POINTS = 300  # drawn of a class
LONGEST = 26  # characters of a label
INK, PALE, GRID = "#222222", "#767676", "#dddddd"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A", "#5E3C99")
STYLE = {
    "axes.edgecolor": PALE,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
SHARES = (1e-12, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0)  # bounds of the colours of `kept_entries`
BLUES = ("#deebf7", "#b6d3ea", "#85b8db", "#4a94c8", "#1b69ad", "#08306b")
NO_DATES = dict.fromkeys(("Date", "Creator", "Format", "Type"))

styled = style.context(["default", STYLE])


def svg(figure: Figure, name: str) -> str:
    """The figure as SVG text, the same bytes for the same figure and name."""
    text = io.StringIO()
    with style.context(["default", STYLE, {"svg.hashsalt": name}]):
        figure.savefig(text, format="svg", metadata=NO_DATES)
    return text.getvalue()


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, by its place in the sequence; they repeat after the eighth."""
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(names)}


@styled
def convergence(
    curves: pd.DataFrame,
    means: pd.DataFrame,
    *,
    classes: Sequence[str],
    selected: int,
    best_step: int | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> Figure:
    """Loss, correlation and class means by step, one line a seed, the selected seed's in front.

    `curves` has `seed, step, loss, correlation`, `means` has `seed, step, name, mean`; missing values are left out.
    `thresholds` may name a column of `curves`.
    """
    figure = Figure(figsize=(WIDTH, 6.4 + 0.1 * len(classes)), layout="constrained")
    loss, correlation, by_class = figure.subplots(3, 1, sharex=True)
    for axes, column in ((loss, "loss"), (correlation, "correlation")):
        _lines_by_seed(axes, curves, column, selected, best_step)
        if thresholds and column in thresholds:
            axes.axhline(thresholds[column], color=PALETTE[1], linestyle="--", linewidth=1.2)
            _note(axes, f"threshold {thresholds[column]:.3g}", thresholds[column])
    loss.set_title("Training loss")
    correlation.set(title="Correlation of encoded value and label", ylim=(-1.08, 1.08))
    _class_means(by_class, means, classes, selected)
    farthest = 1.08 * max([1.0, *means["mean"].abs()])
    by_class.set(title="Mean encoded value by class", ylim=(-farthest, farthest), xlabel="step")
    _legend(figure, loss, by_class)
    return figure


@styled
def encoded_values(values: pd.DataFrame, *, classes: Sequence[str]) -> Figure:
    """The encoded values by class: points, spread by how many lie there, and a box of the quartiles.

    `values` has `name, encoded`. Of many points, `MOST_POINTS` evenly spaced in rank are drawn; the box is of all.
    """
    groups = [(name, np.sort(values.loc[values["name"] == name, "encoded"].to_numpy())) for name in classes]
    figure = Figure(figsize=(WIDTH, 1.1 + 0.62 * len(groups)), layout="constrained")
    axes = figure.subplots()
    low, high = min(-1.0, values["encoded"].min()), max(1.0, values["encoded"].max())
    bins = np.linspace(low, high, 61)
    for place, (colour, (_, encoded)) in enumerate(zip(colours(classes).values(), groups, strict=True)):
        shown = _thinned(encoded)
        axes.plot(shown, place + _spread(shown, bins), ".", color=colour, markersize=4, markeredgewidth=0, alpha=0.55)
        _box(axes, encoded, place)
    axes.set_yticks(range(len(groups)), [f"{short(name)}\nn = {len(encoded):,}" for name, encoded in groups])
    margin = 0.06 * (high - low)
    axes.set(xlabel="encoded value", xlim=(low - margin, high + margin), ylim=(len(groups) - 0.45, -0.55))
    axes.axvline(0, color=PALE, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", visible=False)
    return figure


@styled
def decoder_grid(candidates: pd.DataFrame, *, base: float | None, threshold: float | None, what: str) -> Figure:
    """Every candidate: `what` is wanted against how much of the base model's LMS it keeps; all, and near 100 %.

    `candidates` has `kept` (share of the base model's LMS), `value, learning_rate, feature_factor, passes, chosen`.
    """
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    everything, near = figure.subplots(2, 1)
    for axes in (everything, near):
        _candidates(axes, candidates, base)
        if threshold is not None:
            axes.axvline(100 * threshold, color=PALETTE[1], linestyle="--", label=f"threshold {100 * threshold:.4g} %")
        axes.set_ylabel(short(what, 34))
        axes.xaxis.set_major_locator(MaxNLocator(5))
    everything.set_title("All candidates")
    _look_near(near, candidates, threshold)
    near.set(title="Near the base model", xlabel="LMS kept, % of the base model's")
    _legend(figure, everything)
    return figure


@styled
def probability_shift(shifts: pd.DataFrame) -> Figure:
    """From a hollow point (base model) to a full one (rewritten): `scored, on, before, after`, one line a row."""
    figure = Figure(figsize=(WIDTH, 1.3 + 0.42 * len(shifts)), layout="constrained")
    axes = figure.subplots()
    chosen = colours(list(dict.fromkeys(shifts["scored"])))
    for place, line in enumerate(shifts.to_dict("records")):
        colour, ends = chosen[line["scored"]], [line["before"], line["after"]]
        axes.plot(ends, [place, place], color=colour, linewidth=2)
        axes.plot(ends[1], place, "o", color=colour, markersize=8)
        axes.plot(ends[0], place, "o", color=colour, markerfacecolor="white", markersize=6)
    names = [f"P({short(scored)})\non {short(on)}" for scored, on in zip(shifts["scored"], shifts["on"], strict=True)]
    axes.set_yticks(range(len(shifts)), names)
    axes.set(xlim=(-0.03, 1.03), ylim=(len(shifts) - 0.5, -0.5), xlabel="mean probability on test")
    axes.grid(axis="y", visible=False)
    axes.plot([], [], "o", color=INK, markerfacecolor="white", label="base model")
    axes.plot([], [], "o", color=INK, label="rewritten")
    _legend(figure, axes)
    return figure


@styled
def kept_entries(shares: pd.DataFrame) -> Figure:
    """The share of kept entries: components down, layers across; blank where there is no such parameter.

    `shares` has the components as index and the layers as columns, missing values where there is nothing.
    """
    rows, columns = shares.shape
    size = (min(9.0, max(WIDTH, 2.3 + 0.22 * columns)), 1.3 + 0.21 * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    shades = ListedColormap(list(BLUES)).with_extremes(under="#f2f2f2", bad="white")
    norm = BoundaryNorm(SHARES, len(BLUES))
    mesh = axes.pcolormesh(shares.to_numpy(float), cmap=shades, norm=norm, edgecolors="white", linewidth=0.8)
    bar = figure.colorbar(mesh, ax=axes, location="bottom", ticks=SHARES, aspect=30, label="kept entries, %")
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g}" if share > 1e-9 else "0"))
    step = 1 + (columns - 1) // 16
    axes.set_xticks(np.arange(0, columns, step) + 0.5, [str(name) for name in shares.columns[::step]])
    axes.set_yticks(np.arange(rows) + 0.5, [short(str(name), 34) for name in shares.index])
    axes.tick_params(length=0, labelsize=8.5)
    axes.set(xlabel="layer", ylim=(rows, 0))
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    if columns <= 8:
        _percentages(axes, shares.to_numpy(float))
    return figure


def _lines_by_seed(axes: Axes, curves: pd.DataFrame, column: str, selected: int, best_step: int | None) -> None:
    own = curves.dropna(subset=[column])
    others = sorted(set(curves["seed"]) - {selected})
    for number, seed in enumerate(others):
        line = own[own["seed"] == seed]
        label = ("other seeds: " if len(others) > 1 else "other seed: ") + ", ".join(map(str, others))
        axes.plot(line["step"], line[column], color=PALE, linewidth=1, alpha=0.8, label=None if number else label)
    line = own[own["seed"] == selected]
    axes.plot(line["step"], line[column], color=INK, linewidth=2, label=f"seed {selected} (selected)")
    best = line[line["step"] == best_step]
    axes.plot(best["step"], best[column], "o", color=INK, markersize=6, linestyle="none", label="its best step")
    if own.empty:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=PALE)


def _class_means(axes: Axes, means: pd.DataFrame, classes: Sequence[str], selected: int) -> None:
    for name, colour in colours(classes).items():
        for seed, line in means[means["name"] == name].groupby("seed"):
            front = {"linewidth": 2.0, "label": short(name)} if seed == selected else {"linewidth": 0.9, "alpha": 0.5}
            axes.plot(line["step"], line["mean"], color=colour, **front)
    if means.empty:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=PALE)


def _note(axes: Axes, text: str, height: float) -> None:
    axes.text(0.99, height, text, transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=8.5)


def _thinned(ordered: np.ndarray) -> np.ndarray:
    """At most `MOST_POINTS`, evenly spaced in rank, the smallest and the largest among them."""
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), MOST_POINTS)).round().astype(int)
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


def _candidates(axes: Axes, candidates: pd.DataFrame, base: float | None) -> None:
    for _, path in candidates.sort_values("learning_rate").groupby("feature_factor"):
        axes.plot(100 * path["kept"], path["value"], color=GRID, linewidth=1, zorder=1)
    passing = candidates["passes"].astype(bool)
    for marker, colour, label, own in (
        ("o", PALETTE[0], "keeps the LMS", candidates[passing]),
        ("x", PALETTE[1], "does not", candidates[~passing]),
    ):
        axes.plot(100 * own["kept"], own["value"], marker, color=colour, label=label, alpha=0.85)
    if base is not None:
        axes.plot(100, base, "s", color=INK, markerfacecolor="white", markersize=7, label="base model")
    for line in candidates[candidates["chosen"]].to_dict("records"):
        label = f"chosen: learning rate {line['learning_rate']:.3g}"
        axes.plot(100 * line["kept"], line["value"], "*", color=PALETTE[4], markeredgecolor=INK, ms=15, label=label)


def _look_near(axes: Axes, candidates: pd.DataFrame, threshold: float | None) -> None:
    """Show all that passes, the threshold, and a little on both sides."""
    passing = candidates.loc[candidates["passes"].astype(bool), "kept"]
    low, high = min([0.99 if threshold is None else threshold, *passing]), max([1.0, *passing])
    margin = 0.4 * max(0.005, high - low)
    axes.set_xlim(100 * (low - margin), 100 * (high + margin))
    inside = candidates.loc[candidates["kept"].between(low - margin, high + margin), "value"]
    if len(inside) > 1 and inside.max() > inside.min():
        room = 0.15 * (inside.max() - inside.min())
        axes.set_ylim(inside.min() - room, inside.max() + room)


def _legend(figure: Figure, *parts: Axes) -> None:
    """One legend for the figure, below it."""
    pairs = [axes.get_legend_handles_labels() for axes in parts]
    handles = [handle for own, _ in pairs for handle in own]
    labels = [label for _, own in pairs for label in own]
    figure.legend(handles, labels, loc="outside lower center", ncols=2)


def _percentages(axes: Axes, shares: np.ndarray) -> None:
    for row, column in np.argwhere(~np.isnan(shares)):
        share = 100 * shares[row, column]
        text = "<1" if 0 < share < 0.5 else f"{share:.0f}"
        axes.text(
            column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color="white" if share >= 10 else INK
        )


def short(name: str, longest: int = LONGEST) -> str:
    return name if len(name) <= longest else f"{name[: longest - 8]}…{name[-7:]}"
