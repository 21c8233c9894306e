"""The choices of the decoder evaluation: for each class and direction, what was chosen and what it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradiend.report.inputs import Json
from gradiend.report.numbers import MINUS, known

BALANCE = "balance"


@dataclass(frozen=True)
class Outcome:
    """One choice: strengthen or weaken a target class, or balance the two.

    `key` is the number by which candidates are compared, `what` says it in words. `choice` is the GRADIEND's,
    `baseline` the mean-difference direction's; `without_embeddings` has the numbers by split of the chosen
    candidate without the entries of the embeddings. `base` has the base model's numbers by split.
    """

    target_class: str
    direction: str
    key: str
    what: str
    choice: Json
    baseline: Json | None
    without_embeddings: Json | None
    base: Json | None

    @property
    def name(self) -> str:
        """What was wanted, in words."""
        return "balance the two classes" if self.direction == BALANCE else f"{self.direction} {self.target_class}"

    @property
    def made(self) -> bool:
        """Whether a candidate was chosen."""
        return known(self.choice["learning_rate"]) is not None

    def before(self, split: str) -> float | None:
        """The base model's value."""
        return value_of(self.base, split, self.key)

    def after(self, split: str) -> float | None:
        """The chosen candidate's value."""
        return value_of(self.choice, split, self.key)

    def gain(self, numbers: Json | None, split: str) -> float | None:
        """By how much a candidate's numbers are better than the base model's; negative where they are worse."""
        before, after = self.before(split), value_of(numbers, split, self.key)
        if before is None or after is None:
            return None
        return after - before if self.direction == "strengthen" else before - after


def outcomes(decoder: Json, target_classes: Sequence[str]) -> list[Outcome]:
    """All choices of a decoder's summary, by class, then by direction."""
    return [
        _outcome(decoder, name, direction, target_classes)
        for name in (*target_classes, BALANCE)
        for direction in sorted(decoder.get(name) or {})
    ]


def value_of(numbers: Json | None, split: str, key: str) -> float | None:
    """One number of a split, None where there is none."""
    return known(((numbers or {}).get(split) or {}).get(key))


def base_lms(numbers: Mapping[str, Any] | None) -> float | None:
    """The base model's LMS on the tokens on which a candidate was scored."""
    own, difference = known((numbers or {}).get("lms")), known((numbers or {}).get("lms_difference"))
    return None if own is None or difference is None else own - difference


def kept_share(numbers: Mapping[str, Any] | None) -> float | None:
    """The share of the base model's LMS that is kept, both measured on the same tokens."""
    base = base_lms(numbers)
    return None if base is None or base <= 0 else float((numbers or {})["lms"]) / base


def _outcome(decoder: Json, name: str, direction: str, target_classes: Sequence[str]) -> Outcome:
    baselines = decoder["baselines"] or {}
    first, second = target_classes
    other = second if name == first else first
    keys = {"strengthen": f"p_{name}_on_{other}", "weaken": f"p_{name}_on_{name}", BALANCE: "gap"}
    words = {
        "strengthen": f"P({name}) on {other}",
        "weaken": f"P({name}) on {name}",
        BALANCE: f"|P({first}) {MINUS} P({second})|",
    }
    return Outcome(
        target_class=name,
        direction=direction,
        key=keys[direction],
        what=words[direction],
        choice=decoder[name][direction],
        baseline=_nested(baselines.get("mean_difference"), name, direction),
        without_embeddings=_nested(baselines.get("without_embeddings"), name, direction),
        base=decoder["base"],
    )


def _nested(baseline: Json | None, name: str, direction: str) -> Json | None:
    found: Json | None = ((baseline or {}).get(name) or {}).get(direction)
    return found
