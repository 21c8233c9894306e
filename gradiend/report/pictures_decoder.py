"""The figures of the candidates and of the chosen rewrites."""

import numpy as np
import pandas as pd

from gradiend import plots
from gradiend.report.inputs import Inputs
from gradiend.report.numbers import count, number, probability
from gradiend.report.outcomes import Outcome, kept_share, value_of
from gradiend.report.picture import Picture, file_of


def decoder_grid(inputs: Inputs, outcome: Outcome) -> Picture:
    """P(class) against LMS for every candidate of one choice."""
    name, title = f"decoder_grid_{file_of(outcome)}", f"Candidates to {outcome.name}"
    candidates = _candidates(inputs, outcome)
    if candidates.empty:
        return Picture(name, title, "", missing=outcome.choice["reason"] or "No candidate was measured.")
    passing = int(candidates["passes"].sum())
    alt = f"{outcome.what} against the LMS kept, for {len(candidates)} candidates; {passing} of them keep the LMS. "
    rate = number(outcome.choice["learning_rate"])
    alt += f"Chosen: learning rate {rate}." if outcome.made else f"None was chosen: {outcome.choice['reason']}."
    factors = "" if candidates["feature_factor"].nunique() == 1 else " and a feature factor"
    caption = f"On validation; a point is a learning rate{factors}. {passing} of {len(candidates)} keep the LMS."
    caption += "" if outcome.made else " None was chosen."
    caption += "" if inputs.lms_ratio is not None else " Which share of the LMS must be kept is not recorded."
    figure = plots.decoder_grid(
        candidates, base=outcome.before("validation"), threshold=inputs.lms_ratio, what=f"{outcome.what}, mean"
    )
    return Picture(name, title, alt, caption, figure, candidates)


def probability_shift(inputs: Inputs, outcome: Outcome) -> Picture:
    """What one rewritten model does to the probabilities, on test."""
    name, title = f"probability_shift_{file_of(outcome)}", f"Probabilities on test: {outcome.name}"
    shifts = _shifts(inputs, outcome)
    if shifts.empty:
        return Picture(name, title, "", missing="Nothing was measured on test.")
    moves = (
        f"P({row.scored}) on {row.on} from {probability(row.before)} to {probability(row.after)}"
        for row in shifts.itertuples()
    )
    n = value_of(outcome.choice, "test", "n")
    figure = plots.probability_shift(shifts)
    return Picture(name, title, f"{'; '.join(moves)}.", f"On the {count(n)} examples of test.", figure, shifts)


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
