"""The search for a learning rate, as a figure of the report."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gradiend import plots_tuning
from gradiend.learning_rates import Trial, choose, rates, remarks
from gradiend.report.numbers import number
from gradiend.report.picture import Picture


def tuning_curve(trials: pd.DataFrame, seed_report: Mapping[str, Any]) -> Picture:
    """What each learning rate gave, and which one was taken; `trials` is the table of the search."""
    metric = seed_report["convergence_metric"]
    tried = _trials(trials)
    chosen, tested = choose(tried, metric), rates(tried)
    name = "|correlation| on validation" if metric == "correlation" else "training loss"
    alt = "; ".join(
        f"{number(rate.learning_rate)}: {rate.converged} of {rate.seeds} seeds converged, mean {name} "
        f"{number(rate.correlation if metric == 'correlation' else rate.loss)}"
        for rate in tested
    )
    caption = (
        f"{number(chosen.learning_rate)} was taken, {chosen.factor:g} times auto: with it {chosen.converged} of "
        f"{chosen.seeds} seeds converged. Circle: a seed; line: their mean."
    )
    notes = "".join(f" {note[0].upper()}{note[1:]}." for note in remarks(tried, metric))
    figure = plots_tuning.learning_rates(
        trials, metric=metric, what=name, threshold=seed_report["threshold"], chosen=chosen.learning_rate
    )
    return Picture("learning_rates", "The search for a learning rate", f"{alt}.", caption + notes, figure, trials)


def _trials(table: pd.DataFrame) -> list[Trial]:
    whole = table.astype(object).where(table.notna(), None)  # Parquet has no None among numbers
    return [Trial(**{str(name): value for name, value in line.items()}) for line in whole.to_dict("records")]
