"""Sentences that a reader can check: what is written at their slots before and after, and how they are encoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from gradiend.report.encodings import encodings
from gradiend.report.inputs import Inputs
from gradiend.report.numbers import probability, score
from gradiend.report.outcomes import Outcome, outcomes
from gradiend.report.table import Table

BASE = "base"
SPOKEN = {"alternative": "alternative one", "factual": "one in the data", "diff": "one in the data, less the other"}
MOST = 3  # most and least typical texts of a class


@dataclass(frozen=True)
class Prediction:
    """One token, its probability in words and in percent (for a bar), and the class whose surface form it is."""

    token: str
    probability: str
    percent: float
    spoken: str


@dataclass(frozen=True)
class Sentence:
    """A text before and after its slot, the word and class that were there, and the predictions of each model."""

    before: str
    after: str
    word: str
    name: str
    predictions: Sequence[Sequence[Prediction]]


def models(inputs: Inputs) -> list[str]:
    """The models whose predictions there are, the base model first."""
    return ["base model", *(f"rewritten to {one.name}" for one in _rewritten(inputs))]


def sentences(inputs: Inputs) -> list[Sentence]:
    """The examples with what each model predicts at their slots."""
    keys = [(BASE, BASE), *((one.target_class, one.direction) for one in _rewritten(inputs))]
    examples = inputs.examples.set_index("id")
    found = dict(list(inputs.predictions.groupby(["target_class", "direction", "example_id"])))
    ids = dict.fromkeys(inputs.predictions["example_id"])
    return [_sentence(inputs, examples.loc[number], [found[(*key, number)] for key in keys]) for number in ids]


def typical(inputs: Inputs) -> Table:
    """The test texts that are encoded nearest to their class's end, and those that are farthest from it."""
    table, rows = encodings(inputs), []
    for name, end in zip(inputs.target_classes, (inputs.sign, -inputs.sign), strict=True):
        own = table[(table["name"] == name) & (table["split"] == "test")]
        nearest = own.iloc[(end - own["encoded"]).abs().argsort(kind="stable")].drop_duplicates("text")
        most, least = nearest.head(MOST), nearest.iloc[MOST:].tail(MOST)[::-1]
        for kind, chosen in (("most typical", most), ("least typical", least)):
            pairs = zip(chosen["text"].astype(str), chosen["encoded"], strict=True)
            rows += [[name, kind, text, score(value)] for text, value in pairs]
    note = (
        f"In brackets: the word whose gradient is encoded, the {SPOKEN[inputs.model_config['source']]}."
        if rows
        else inputs.metrics["test"]["reason"] or "Nothing was encoded."
    )
    header = ["class", "", "text", "encoded value"]
    return Table("The most and the least typical texts of test", header, rows, note, texts=3)


def _rewritten(inputs: Inputs) -> list[Outcome]:
    """The choices of which there are predictions."""
    there = set(zip(inputs.predictions["target_class"], inputs.predictions["direction"], strict=True))
    found = outcomes(inputs.decoder, inputs.target_classes)
    return [one for one in found if (one.target_class, one.direction) in there]


def _sentence(inputs: Inputs, example: "pd.Series[str]", tables: list[pd.DataFrame]) -> Sentence:
    before, _, after = str(example["masked"]).partition(inputs.placeholder)
    return Sentence(
        before,
        after,
        str(example["factual"]),
        str(example["factual_class"]),
        [
            [_prediction(inputs, *pair) for pair in zip(table["token"], table["probability"], strict=True)]
            for table in tables
        ],
    )


def _prediction(inputs: Inputs, token: object, value: float) -> Prediction:
    forms = inputs.data_summary["surface_forms"]
    spoken = ", ".join(name for name in inputs.target_classes if str(token) in forms.get(name, {}))
    return Prediction(str(token), probability(value), round(100 * value, 1), spoken)
