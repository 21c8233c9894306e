"""Figures of the decoder: the candidates, and what the chosen one does."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradiend.plots_style import GRID, INK, PALETTE, WIDTH, colours, digits, legend, points, short, styled


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
            axes.axvline(
                100 * threshold, color=PALETTE[1], linestyle="--", label=f"threshold {digits(100 * threshold)} %"
            )
        axes.xaxis.set_major_locator(MaxNLocator(5))
    everything.set_title("All candidates")
    _look_near(near, candidates, threshold)
    near.set(title="Near the base model", xlabel="LMS kept, % of the base model's")
    figure.supylabel(short(what, 60), fontsize=9.5)  # one for both: beside each, long names would run into each other
    legend(figure, everything)
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
    legend(figure, axes)
    return figure


def _candidates(axes: Axes, candidates: pd.DataFrame, base: float | None) -> None:
    for _, path in candidates.sort_values("learning_rate").groupby("feature_factor"):
        axes.plot(100 * path["kept"], path["value"], color=GRID, linewidth=1, zorder=1)
    passing = candidates["passes"].astype(bool)
    for marker, colour, label, own in (
        ("o", PALETTE[0], "keeps the LMS", candidates[passing]),
        ("x", PALETTE[1], "does not", candidates[~passing]),
    ):
        said = [
            f"learning rate {one['learning_rate']:.3g}: {one['value']:.3g}, {100 * one['kept']:.4g} % of the LMS kept"
            for one in own.to_dict("records")
        ]
        look = {"marker": marker, "color": colour, "label": label, "alpha": 0.85, "s": 36}
        points(axes, (100 * own["kept"]).to_numpy(), own["value"].to_numpy(), said, **look)
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
