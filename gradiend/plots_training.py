"""Figures of the training: how it went, and what its seeds came to."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradiend.plots_style import INK, PALE, PALETTE, WIDTH, colours, digits, legend, short, styled


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
            label = f"threshold of the {column}: {digits(thresholds[column])}"
            axes.axhline(thresholds[column], color=PALETTE[1], linestyle="--", linewidth=1.2, label=label)
    loss.set_title("Training loss")
    correlation.set(title="Correlation of encoded value and label", ylim=(-1.08, 1.08))
    _class_means(by_class, means, classes, selected)
    farthest = 1.08 * max([1.0, *means["mean"].abs()])
    by_class.set(title="Mean encoded value by class", ylim=(-farthest, farthest), xlabel="step")
    by_class.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    legend(figure, loss, correlation, by_class)
    return figure


@styled
def seeds(scores: pd.DataFrame, *, metric: str, threshold: float | None, selected: int) -> Figure:
    """What every seed came to: its metric with its interval, the baseline beside it, and the threshold.

    `scores` has `seed, value, low, high, baseline, converged`; missing values are left out.
    """
    figure = Figure(figsize=(WIDTH, 1.5 + 0.36 * len(scores)), layout="constrained")
    axes = figure.subplots()
    if threshold is not None:
        axes.axvline(threshold, color=PALETTE[1], linestyle="--", linewidth=1.2, label=f"threshold {digits(threshold)}")
    for verdict, colour, marker in (("converged", PALETTE[0], "o"), ("not converged", PALETTE[1], "X")):
        own = scores[(scores["converged"] == (verdict == "converged")) & scores["value"].notna()]
        axes.hlines(own.index, own["low"], own["high"], color=colour, linewidth=2.2)
        if len(own):
            axes.plot(own["value"], own.index, marker, color=colour, markersize=8, label=verdict)
    if scores["baseline"].notna().any():
        axes.plot(
            scores["baseline"], scores.index, "D", color=INK, mfc="white", ms=5, label="mean difference, untrained"
        )
    for place in scores.index[scores["value"].isna()]:
        axes.text(
            0.5, place, f"no {metric}", transform=axes.get_yaxis_transform(), ha="center", va="center", color=PALE
        )
    names = [f"seed {seed}" + (" (selected)" if seed == selected else "") for seed in scores["seed"]]
    axes.set_yticks(range(len(scores)), names)
    axes.set(xlabel=f"{metric} on validation", ylim=(len(scores) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    legend(figure, axes)
    return figure


def _lines_by_seed(axes: Axes, curves: pd.DataFrame, column: str, selected: int, best_step: int | None) -> None:
    own = curves.dropna(subset=[column])
    others = sorted(set(curves["seed"]) - {selected})
    for number, seed in enumerate(others):
        line = own[own["seed"] == seed]
        label = ("other seeds: " if len(others) > 1 else "other seed: ") + ", ".join(map(str, others))
        mark = "." if len(line) == 1 else ""  # a line of one point is not seen
        look: dict[str, Any] = {
            "marker": mark,
            "color": PALE,
            "linewidth": 1,
            "alpha": 0.8,
            "label": None if number else label,
        }
        axes.plot(line["step"], line[column], **look)
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
