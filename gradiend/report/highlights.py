"""The numbers that stand large beside an answer."""

from dataclasses import dataclass

from gradiend.report.inputs import Inputs
from gradiend.report.numbers import arrow, count, interval, known, number, percent, probability, score
from gradiend.report.outcomes import kept_share, outcomes


@dataclass(frozen=True)
class Highlight:
    """A number, what it is, and how sure or how many."""

    value: str
    label: str
    detail: str = ""


def of_separation(inputs: Inputs) -> list[Highlight]:
    """The correlation on test."""
    block = inputs.metrics["test"]
    if known(block["correlation"]) is None:
        return []
    detail = f"95 % interval {interval(block['correlation_interval'])}, n = {count(block['n'])}"
    return [Highlight(score(block["correlation"]), "correlation on test", detail)]


def of_training_gain(inputs: Inputs) -> list[Highlight]:
    """The GRADIEND's correlation beside that of the untrained direction."""
    block = inputs.metrics["test"]
    base = known(block["baselines"]["mean_difference"])
    if known(block["correlation"]) is None or base is None:
        return []
    return [Highlight(score(block["correlation"]), "trained"), Highlight(score(base), "untrained mean difference")]


def of_rewriting(inputs: Inputs) -> list[Highlight]:
    """What each choice does on test."""
    return [
        Highlight(
            arrow(probability(one.before("test")), probability(one.after("test"))),
            f"{one.what}, to {one.name}",
            f"LMS kept: {percent(kept_share(one.choice['test']), 4)}, n = {count((one.choice['test'] or {}).get('n'))}",
        )
        for one in outcomes(inputs.decoder, inputs.target_classes)
        if one.made
    ]


def of_stability(inputs: Inputs) -> list[Highlight]:
    """How many seeds converged, and how far apart they are."""
    report = inputs.seed_report
    show = number if inputs.by_loss else score
    found = (known(run["convergence_metric_value"]) for run in report["runs"])
    values = sorted(value for value in found if value is not None)
    detail = f"{report['convergence_metric']} {show(values[0])} to {show(values[-1])}" if len(values) > 1 else ""
    return [Highlight(f"{report['convergent_count']} of {len(report['runs'])}", "seeds converged", detail)]
