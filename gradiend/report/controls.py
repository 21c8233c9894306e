"""Controls of a training: the same on batches drawn regardless of class, and the encoder before any training."""

from typing import Any

from gradiend.report.inputs import Inputs, Json
from gradiend.report.numbers import UNKNOWN, count, interval, known, score
from gradiend.report.table import Table

CONTROL, RANDOM = "control", "random_encoder"
BELOW = (
    "The control is below the GRADIEND's interval: with batches of one class each, training finds the classes better "
    "than without."
)
BELOW_AT_BEST = (
    "The control is below the GRADIEND's interval at the best steps, but not below it at the last ones: what batches "
    "of one class each have taught did not stay."
)
NOT_BELOW = (
    "The control is not below the GRADIEND's interval: these gradients tell the classes apart even where no batch is "
    "of one class, and the correlation is no evidence that such batches taught it."
)


def sentences(inputs: Inputs, low: float | None) -> list[str]:
    """What the controls score on test, and what it means; `low` ends the interval of the GRADIEND, None without one."""
    if not inputs.controls:
        return []
    blocks = [one[CONTROL]["test"] for one in inputs.controls]
    said = (
        f"Control: the same training on batches drawn regardless of class scores {_range(inputs, CONTROL)} on the same "
        f"rows (n = {count(blocks[0]['n'])}), its random encoder before the first step {_range(inputs, RANDOM)}."
    )
    values = _values(inputs, CONTROL)
    meaning = [] if low is None or not values else [_meaning(inputs, below=max(values) < low)]
    return [said, *_at_the_end(inputs), *meaning]


def table(inputs: Inputs) -> Table:
    """The GRADIEND's score on test, and that of each control and random encoder."""
    own = ["GRADIEND", str(inputs.selected), *_scored(inputs.metrics["test"], inputs.sign), *_course(inputs.training)]
    controls, untrained = (
        [[name, str(one["seed"]), *_scored(one[kind]["test"])] for one in inputs.controls]
        for kind, name in ((CONTROL, "control"), (RANDOM, "random encoder"))
    )
    controls = [[*row, *_course(one)] for row, one in zip(controls, inputs.controls, strict=True)]
    header = ["encoder", "seed", "correlation", "95 % interval", "n", "best step", "|correlation| at the last step"]
    return Table(
        "Encoder: controls on test",
        header,
        [own, *controls, *([*row, *[UNKNOWN] * 2] for row in untrained)],
        _note(inputs),
    )


def numbers(inputs: Inputs) -> list[dict[str, Any]]:
    """The same as data: `seed`, `control` and `random_encoder` on test, one of each per seed."""
    return [
        {"seed": one["seed"], CONTROL: one[CONTROL]["test"], RANDOM: one[RANDOM]["test"]} for one in inputs.controls
    ]


def _meaning(inputs: Inputs, *, below: bool) -> str:
    if not below:
        return NOT_BELOW
    values, own = _ends(inputs)
    return BELOW_AT_BEST if values and own is not None and values[-1] >= own else BELOW


def _at_the_end(inputs: Inputs) -> list[str]:
    """Whether what is found stays: the step that is kept is the best one of each training."""
    values, own = _ends(inputs)
    if not values or own is None:
        return []
    ends = dict.fromkeys((score(values[0]), score(values[-1])))
    return [
        f"These are of each training's best step; at the last one |correlation| on validation is {' to '.join(ends)} "
        f"for the control, {score(own)} for the GRADIEND."
    ]


def _ends(inputs: Inputs) -> tuple[list[float], float | None]:
    """|correlation| on validation at the last steps: those of the controls, sorted, and the GRADIEND's."""
    return sorted(value for one in inputs.controls if (value := _last(one)) is not None), _last(inputs.training)


def _last(training: Json) -> float | None:
    """|correlation| on validation at the last step, None where it was not evaluated."""
    value = known(training["curves"][-1]["correlation"]) if training["curves"] else None
    return None if value is None else abs(value)


def _values(inputs: Inputs, kind: str) -> list[float]:
    found = (known(one[kind]["test"]["correlation"]) for one in inputs.controls)
    return sorted(value for value in found if value is not None)


def _range(inputs: Inputs, kind: str) -> str:
    """One seed's score with its interval; of several seeds the lowest and the highest."""
    values, total = _values(inputs, kind), len(inputs.controls)
    if not values:
        return f"nothing ({inputs.controls[0][kind]['test']['reason']})"
    if total == 1:
        return f"{score(values[0])}, 95 % interval {interval(inputs.controls[0][kind]['test']['correlation_interval'])}"
    seeds = f"{total} seeds" if len(values) == total else f"{len(values)} of {total} seeds"
    return f"{score(values[0])} to {score(values[-1])} ({seeds})"


def _scored(block: Json, sign: float = 1.0) -> list[str]:
    value, bounds = known(block["correlation"]), block["correlation_interval"]
    shown = bounds and sorted(sign * float(bound) for bound in bounds)
    return [score(None if value is None else sign * value), interval(shown), count(block["n"])]


def _course(training: Json) -> list[str]:
    return [count(training["best_step"]), score(_last(training))]


def _note(inputs: Inputs) -> str:
    reasons = [
        f"{name}, seed {one['seed']}: {reason}."
        for kind, name in ((CONTROL, "Control"), (RANDOM, "Random encoder"))
        for one in inputs.controls
        if (reason := one[kind]["test"]["reason"])
    ]
    note = (
        "Control: trained in the same way on the same examples, whose batches are drawn regardless of class. Random "
        "encoder: the weights before training. Validation sets the sign of each; the last step is judged there, too."
    )
    return " ".join([note, *reasons])
