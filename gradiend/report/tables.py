"""The tables of a report about seeds, encoder and decoder."""

from collections.abc import Mapping
from typing import Any

from gradiend.report.inputs import Inputs, Json
from gradiend.report.numbers import (
    UNKNOWN,
    arrow,
    count,
    interval,
    number,
    p_value,
    percent,
    probability,
    score,
    signed,
)
from gradiend.report.outcomes import Outcome, base_lms, outcomes, value_of
from gradiend.report.table import Table

STATISTICS = ("mean", "std", "q25", "q50", "q75")


def seeds(inputs: Inputs) -> Table:
    """One line a tried seed."""
    trainings = {training["seed"]: training for training in inputs.trainings}
    evaluations = {evaluation["seed"]: evaluation for evaluation in inputs.evaluations}
    rows = [
        [*_verdict(run, inputs), *_evaluated(evaluations.get(run["seed"])), *_trained(trainings.get(run["seed"]))]
        for run in inputs.seed_report["runs"]
    ]
    header = ["seed", "verdict", "correlation", "95 % interval", "n", "mean difference", "without embeddings"]
    header += ["loss", "best step", "steps", "learning rate"]
    reasons = {f"Seed {e['seed']}: {e['reason']}." for e in inputs.evaluations if e["reason"]}
    note = f"Correlations are on validation; a seed converges when its {inputs.condition}. {' '.join(sorted(reasons))}"
    return Table("Seeds tried", header, rows, note.strip(), texts=2)


def scores(inputs: Inputs) -> Table:
    """The encoder's score by split."""
    rows = [[split, *_scored(inputs.metrics[split])] for split in ("validation", "test")]
    header = ["split", "n", "correlation", "95 % interval", "p-value", "balanced accuracy", "mean difference"]
    reasons = [f"{s}: {r}." for s in ("validation", "test", "neutral") if (r := inputs.metrics[s]["reason"])]
    note = f"The p-value is by 1,000 permutations of the labels. {' '.join(reasons)}".strip()
    return Table("Encoder: scores", [*header, "without embeddings"], rows, note)


def encoded_values(inputs: Inputs) -> Table:
    """The encoded value by split and class."""
    rows = [
        [split, name, count(own["n"]), *(score(own[key]) for key in STATISTICS)]
        for split in ("validation", "test", "neutral")
        for name, own in inputs.metrics[split]["classes"].items()
    ]
    header = ["split", "class", "n", "mean", "standard deviation", "lower quartile", "median", "upper quartile"]
    return Table("Encoder: encoded value by class", header, rows, "" if rows else "Nothing was encoded.", texts=2)


def choices(inputs: Inputs) -> Table:
    """What was chosen for each class and direction, by the GRADIEND and by its baselines."""
    rows = [row for outcome in outcomes(inputs.decoder, inputs.target_classes) for row in _choice_rows(outcome)]
    header = ["wanted", "decoder", "learning rate", "feature factor", "number compared"]
    header += ["validation", "test", "n (test)", "LMS (test)", inputs.lms_unit, "difference ± standard error"]
    reasons = [
        f"To {o.name}, nothing was chosen: {o.choice['reason']}."
        for o in outcomes(inputs.decoder, inputs.target_classes)
        if not o.made
    ]
    note = "Chosen on validation, then measured once on test: base model → rewritten model."
    return Table("Decoder: choices", header, rows, " ".join([note, *reasons]), texts=2)


def probabilities(inputs: Inputs) -> Table:
    """The mean probability of each class by the class of the examples, on test."""
    found = [o for o in outcomes(inputs.decoder, inputs.target_classes) if o.made]
    rows = [
        [f"P({scored})", name, probability(before), *(probability(value_of(o.choice, "test", key)) for o in found)]
        for scored in inputs.classes
        for name in inputs.classes
        if (before := value_of(inputs.decoder["base"], "test", key := f"p_{scored}_on_{name}")) is not None
    ]
    header = ["probability of", "on examples of", "base model", *(o.name for o in found)]
    return Table("Decoder: probabilities on test", header, rows, "" if rows else "Nothing was measured.", texts=2)


def rewritten(inputs: Inputs) -> Table:
    """Which models were written."""
    rows = [
        [outcome.name, str(own.get("folder") or UNKNOWN), str(own.get("reason") or "")]
        for outcome in outcomes(inputs.decoder, inputs.target_classes)
        if (own := (inputs.rewritten.get(outcome.target_class) or {}).get(outcome.direction))
    ]
    return Table(
        "Rewritten models", ["wanted", "folder in rewritten/", "why not"], rows, "" if rows else "None.", texts=3
    )


def _verdict(run: Json, inputs: Inputs) -> list[str]:
    words = ["converged" if run["converged"] else "not converged"]
    return [str(run["seed"]), ", ".join(words + ["selected"] * (run["seed"] == inputs.selected))]


def _evaluated(evaluation: Json | None) -> list[str]:
    if evaluation is None:
        return [UNKNOWN] * 6
    return [
        score(evaluation["correlation"]),
        interval(evaluation["correlation_interval"]),
        count(evaluation["n"]),
        *_baselines(evaluation),
        number(evaluation["loss"]),
    ]


def _trained(training: Json | None) -> list[str]:
    if training is None:
        return [UNKNOWN] * 3
    steps = training.get("steps") or (training["curves"][-1]["step"] if training["curves"] else None)
    return [count(training["best_step"]), count(steps), number(training["learning_rate"])]


def _scored(block: Json) -> list[str]:
    return [
        count(block["n"]),
        score(block["correlation"]),
        interval(block["correlation_interval"]),
        p_value(block["p_value"]),
        percent(block["balanced_accuracy"]),
        *_baselines(block),
    ]


def _baselines(block: Json) -> list[str]:
    return [score(block["baselines"][name]) for name in ("mean_difference", "without_embeddings")]


def _choice_rows(outcome: Outcome) -> list[list[str]]:
    rates = [number(outcome.choice["learning_rate"]), signed(outcome.choice["feature_factor"])]
    rows = [[outcome.name, "GRADIEND", *rates, outcome.what, *_effect(outcome, outcome.choice)]]
    if outcome.baseline is not None:
        own = [number(outcome.baseline["learning_rate"]), signed(outcome.baseline["feature_factor"])]
        rows.append([outcome.name, "mean difference", *own, outcome.what, *_effect(outcome, outcome.baseline)])
    if outcome.without_embeddings is not None:
        effect = _effect(outcome, outcome.without_embeddings)
        rows.append([outcome.name, "GRADIEND without embeddings", *rates, outcome.what, *effect])
    return rows


def _effect(outcome: Outcome, numbers: Json) -> list[str]:
    shifts = [
        arrow(probability(outcome.before(split)), probability(after))
        if (after := value_of(numbers, split, outcome.key)) is not None
        else UNKNOWN
        for split in ("validation", "test")
    ]
    test: Mapping[str, Any] = numbers.get("test") or {}
    if not test:
        return [*shifts, *[UNKNOWN] * 4]
    lms = arrow(score(base_lms(test)), score(test.get("lms")))
    paired = f"{signed(test.get('lms_difference'), 2)} ± {number(test.get('lms_difference_se'), 2)}"
    return [*shifts, count(test.get("n")), lms, count(test.get("lms_tokens")), paired]
