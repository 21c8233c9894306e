"""The figures of the training and its seeds."""

import pandas as pd

from gradiend import plots
from gradiend.report.inputs import Inputs, Json
from gradiend.report.numbers import known, number, score
from gradiend.report.picture import Picture


def convergence(inputs: Inputs) -> Picture:
    """Loss, correlation and class means of all seeds, by step."""
    title, curves = "How training went", _curves(inputs)
    threshold, means = known(inputs.seed_report["threshold"]), _means(inputs)
    if curves.empty:
        return Picture("convergence", title, "", missing="No training has recorded anything.")
    figure = plots.convergence(
        curves,
        means,
        classes=[name for name in inputs.classes if name in set(means["name"])],
        selected=inputs.selected,
        best_step=inputs.training["best_step"],
        thresholds={} if threshold is None else {inputs.seed_report["convergence_metric"]: threshold},
    )
    own = curves[curves["seed"] == inputs.selected]
    last = score(known(own["correlation"].iloc[-1])) if len(own) else score(None)
    alt = f"Loss, correlation and mean encoded values by step for {len(inputs.trainings)} seeds; "
    alt += f"the selected seed {inputs.selected} ends at correlation {last}."
    caption = "Correlation and means are of the in-training evaluation rows"
    caption += ", with the sign that the saved model has." if inputs.normalized else "."
    return Picture("convergence", title, alt, caption, figure, _data(curves, means))


def seeds(inputs: Inputs) -> Picture:
    """What every seed came to, on validation."""
    table, metric = _scores(inputs), inputs.seed_report["convergence_metric"]
    if table["value"].isna().all():
        return Picture("seeds", "Seeds compared", "", missing=f"No seed has a {metric}.")
    threshold = known(inputs.seed_report["threshold"])
    shown = number if inputs.by_loss else score
    said = ", ".join(f"seed {row.seed} {shown(row.value)}" for row in table.itertuples())
    caption = "" if inputs.by_loss else "Line: 95 % interval. "
    caption += f"A seed converges when its {inputs.condition}."
    figure = plots.seeds(table, metric=metric, threshold=threshold, selected=inputs.selected)
    return Picture("seeds", "Seeds compared", f"{metric} on validation: {said}.", caption, figure, table)


def _scores(inputs: Inputs) -> pd.DataFrame:
    """`seed, value, low, high, baseline, converged`, the values as the decoder sees them: positive is right."""
    evaluations = {one["seed"]: one for one in inputs.evaluations}
    rows = []
    for run in inputs.seed_report["runs"]:
        block = evaluations.get(run["seed"], {})
        value = known(run["convergence_metric_value"])
        low, high = _interval(block, value) if not inputs.by_loss else (value, value)
        base = None if inputs.by_loss else known((block.get("baselines") or {}).get("mean_difference"))
        rows.append((run["seed"], value, low, high, base, bool(run["converged"])))
    table = pd.DataFrame(rows, columns=["seed", "value", "low", "high", "baseline", "converged"])
    return table.astype(dict.fromkeys(("value", "low", "high", "baseline"), float))


def _interval(block: Json, value: float | None) -> tuple[float | None, float | None]:
    bounds = block.get("correlation_interval")
    if bounds is None:
        return value, value
    turned = value is not None and (known(block["correlation"]) or 0) * value < 0
    low, high = sorted(-bound if turned else bound for bound in bounds)
    return low, high


def _data(curves: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """One line a record, with a column for each class mean."""
    wide = means.pivot_table(index=["seed", "step"], columns="name", values="mean").add_prefix("mean of ").reset_index()
    return curves.merge(wide, on=["seed", "step"], how="left") if len(means) else curves


def _sign(inputs: Inputs, training: Json) -> float:
    """-1 where the signs of a normalised model were turned after the training."""
    best = [line for line in training["curves"] if line["step"] == training["best_step"]]
    return -1.0 if inputs.normalized and best and (known(best[0]["correlation"]) or 0.0) < 0 else 1.0


def _curves(inputs: Inputs) -> pd.DataFrame:
    rows = [
        (one["seed"], line["step"], line["loss"], None if (r := line["correlation"]) is None else sign * r)
        for one in inputs.trainings
        for sign in [_sign(inputs, one)]
        for line in one["curves"]
    ]
    table = pd.DataFrame(rows, columns=["seed", "step", "loss", "correlation"])
    return table.astype({"loss": float, "correlation": float})


def _means(inputs: Inputs) -> pd.DataFrame:
    rows = [
        (one["seed"], line["step"], name, sign * mean)
        for one in inputs.trainings
        for sign in [_sign(inputs, one)]
        for line in one["curves"]
        for name, mean in line["mean_by_class"].items()
        if mean is not None
    ]
    return pd.DataFrame(rows, columns=["seed", "step", "name", "mean"]).astype({"mean": float})
