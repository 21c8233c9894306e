"""The tables of a report: strings only, ready to be shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradiend import __version__
from gradiend.report.inputs import Inputs, Json, entry_counts
from gradiend.report.numbers import (
    UNKNOWN,
    arrow,
    count,
    duration,
    interval,
    known,
    number,
    p_value,
    percent,
    probability,
    score,
    signed,
)
from gradiend.report.outcomes import Outcome, base_lms, outcomes, value_of

STATISTICS = ("mean", "std", "q25", "q50", "q75")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Table:
    """A caption, what the columns are, and the cells; the first `texts` columns are text, the others numbers.

    `note` stands below it; where there are no rows it stands in the table's place.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    texts: int = 1


def mlm_head(quality: Json) -> Table:
    """How good the head is that gradients came through, by split and class."""
    rows = [
        row
        for split in SPLITS
        for row in (
            [split, "all", *_head_cells(quality[split]), percent(quality[split]["majority"]["share"])],
            *([split, name, *_head_cells(own), UNKNOWN] for name, own in sorted(quality[split]["by_class"].items())),
            [split, "factual likelier than alternative", *_head_cells(quality[split]["pairs"]), UNKNOWN],
        )
    ]
    note = (
        f"Gradients come through a linear head on the mean hidden state of the slot, where {quality['filler']} stands, "
        f"and of the next {quality['right_window']} tokens. Trained on train, window and weight decay "
        f"({number(quality['weight_decay'])}) chosen on validation. What the rewritten models are measured by is the "
        "base model's own predictions."
    )
    return Table("Right-context head", ["split", "examples", "n", "right", "majority"], rows, note, texts=2)


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


def examples(inputs: Inputs) -> Table:
    """Examples by class and split, their transitions and batches, and the neutral texts."""
    summary = inputs.data_summary
    rows = [_by_split("examples", name, summary["examples"]) for name in inputs.classes]
    transitions = sorted({name for split in summary["transitions"].values() for name in split})
    rows += [_by_split("transition", name, summary["transitions"]) for name in transitions]
    rows += [["batches", name, count(n), UNKNOWN, UNKNOWN] for name, n in sorted(summary["batches"].items())]
    rows += [["repeated examples", "", *(count(summary["copies"].get(split)) for split in SPLITS)]]
    rows += [["neutral texts", "", *(count(summary["neutral"].get(split)) for split in SPLITS)]]
    return Table("Data: how many", ["what", "name", *SPLITS], rows, texts=2)


def surface_forms(inputs: Inputs) -> Table:
    """The words that stand for each class."""
    forms = inputs.data_summary["surface_forms"]
    rows = [[name, ", ".join(f"{form} ({count(n)})" for form, n in own.items())] for name, own in sorted(forms.items())]
    note = "In brackets: how often it is the factual token, over all splits."
    return Table("Data: surface forms", ["class", "surface forms"], rows, note, texts=2)


def dropped(inputs: Inputs) -> Table:
    """What was dropped, and which alternatives were derived."""
    summary = inputs.data_summary
    rows = [["dropped", why, count(n)] for why, n in sorted(summary["dropped"].items())]
    rows += [["alternative derived", why, count(n)] for why, n in sorted(summary["derived_alternatives"].items())]
    note = "" if rows else "Nothing was dropped, and every example came with its alternative."
    return Table("Data: what was dropped or derived", ["what", "why", "examples"], rows, note, texts=2)


def warnings(inputs: Inputs) -> Table:
    """Every warning of the stages, and every reason for something missing."""
    rows = [["data", text] for text in inputs.data_summary["warnings"]]
    rows += [[f"training, seed {one['seed']}", text] for one in inputs.trainings for text in one["warnings"]]
    if not inputs.seed_report["convergent_count"]:
        rows.append(["seeds", f"none converged ({inputs.condition})"])
    rows += [["LMS", text] for text in inputs.decoder["neutral"]]
    rows += [["right-context head", text] for text in (inputs.mlm_head or {"warnings": ()})["warnings"]]
    return Table("All warnings", ["from", "warning"], rows, "" if rows else "There were no warnings.", texts=2)


def kept_entries(inputs: Inputs) -> Table:
    """Kept entries by parameter, the parameters with the most first."""
    counts = sorted(entry_counts(inputs.space).items(), key=lambda item: -item[1][0])
    rows = [[name, count(kept), count(size), percent(kept / size if size else None)] for name, (kept, size) in counts]
    total = inputs.space.input_dim
    note = f"{count(total)} of {count(inputs.entries)} entries of the selected parameters are kept."
    return Table("Kept entries by parameter", ["parameter", "kept", "entries", "share"], rows, note)


def provenance(inputs: Inputs) -> Table:
    """What made this result."""
    config = inputs.model_config
    made_by = {k: v for k, v in config["made_by"].items() if k not in ("arguments", "embeddings")}
    own = {k: config[k] for k in ("source", "target", "latent_dim", "activation_encoder", "activation_decoder")}
    data = {
        "digest of the data files": inputs.data_summary["data_digest"] or UNKNOWN,
        "package version that prepared the data": inputs.data_summary["package_version"],
        "package version that made this report": __version__,
    }
    rows = [[key.replace("_", " "), _plain(value)] for key, value in {**made_by, **own, **data}.items()]
    return Table("What made this", ["what", "value"], rows, texts=2)


def times(inputs: Inputs) -> Table:
    """Time and memory of each job."""
    rows = [
        [str(job), duration(seconds), f"{count(memory)} MiB" if known(memory) is not None else UNKNOWN]
        for job, seconds, memory in inputs.benchmarks.itertuples(index=False)
    ]
    total = inputs.benchmarks["seconds"].sum()
    note = f"All jobs together: {duration(total)}." if rows else "No benchmark files were found."
    return Table("Time and memory by job", ["job", "time", "most memory"], rows, note)


def arguments(inputs: Inputs) -> str:
    """The training arguments as JSON, as they were given to the training."""
    given = inputs.model_config["made_by"].get("arguments") or inputs.training["arguments"]
    return json.dumps(given, indent=1, sort_keys=True, ensure_ascii=False)


def _head_cells(block: Json) -> list[str]:
    return [count(block["n"]), percent(block["accuracy"])]


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


def _by_split(what: str, name: str, counts: Json) -> list[str]:
    return [what, name, *(count(counts.get(split, {}).get(name, 0)) for split in SPLITS)]


def _plain(value: object) -> str:
    if value is None or value == "":
        return UNKNOWN
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
