"""The figure of a search for a learning rate."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from gradiend.plots_style import INK, PALE, PALETTE, WIDTH, styled

MOST_TICKS = 13


@styled
def learning_rates(trials: pd.DataFrame, *, metric: str, what: str, threshold: float, chosen: float) -> Figure:
    """Seeds that converged, and their metric, by learning rate.

    `trials` has `learning_rate, factor, seed, converged` and the column `metric`, missing where there is none; `what`
    is the metric in words.
    """
    figure = Figure(figsize=(WIDTH, 4.8), layout="constrained")
    share, values = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    _shares(share, trials)
    _values(values, trials, metric, threshold, chosen)
    auto = (trials["learning_rate"] / trials["factor"]).iloc[0]
    values.set(title=what[:1].upper() + what[1:], xlabel=f"learning rate, times auto ({auto:.3g})")
    values.axvline(auto, color=PALE, linestyle=":", label="auto")
    _rate_ticks(values, trials)
    handles, labels = values.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _shares(axes: Axes, trials: pd.DataFrame) -> None:
    by_rate = trials.groupby("learning_rate")["converged"].agg(["sum", "count"])
    axes.plot(by_rate.index, 100 * by_rate["sum"] / by_rate["count"], "o-", color=INK)
    axes.set(title="Seeds that converged, %", ylim=(-12, 112), yticks=(0, 50, 100))


def _values(axes: Axes, trials: pd.DataFrame, metric: str, threshold: float, chosen: float) -> None:
    """One point a seed; the mean is of all seeds, those without a value as 0 (of losses: left out)."""
    found = trials[metric].astype(float)
    axes.plot(trials["learning_rate"], found, "o", color=PALETTE[0], markerfacecolor="white", label="a seed")
    means = found.fillna(0.0 if metric == "correlation" else float("nan")).groupby(trials["learning_rate"]).mean()
    axes.plot(means.index, means, color=PALETTE[0], label="mean")
    best = means[means.index == chosen]
    axes.plot(best.index, best, "*", color=PALETTE[4], markeredgecolor=INK, markersize=15, label="taken")
    axes.axhline(threshold, color=PALETTE[1], linestyle="--", linewidth=1.2, label="threshold")
    if metric == "loss" and bool((found > 0).any()):
        axes.set_yscale("log")
    else:
        axes.set_ylim(min(-0.05, threshold - 0.05), 1.08)


def _rate_ticks(axes: Axes, trials: pd.DataFrame) -> None:
    tried = trials.drop_duplicates("learning_rate").sort_values("learning_rate")
    tried = tried.iloc[:: 1 + (len(tried) - 1) // MOST_TICKS]
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(tried["learning_rate"].tolist()))
    axes.set_xticklabels([f"{factor:g}" for factor in tried["factor"]])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
