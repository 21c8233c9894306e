"""The tables of a report about its data."""

from gradiend.report.inputs import Inputs, Json
from gradiend.report.numbers import UNKNOWN, arrow, count
from gradiend.report.table import Table

SPLITS = ("train", "validation", "test")


def examples(inputs: Inputs) -> Table:
    """Examples by class and split, their transitions and batches, and the neutral texts."""
    summary = inputs.data_summary
    rows = [_by_split("examples", name, summary["examples"]) for name in inputs.classes]
    transitions = sorted({name for split in summary["transitions"].values() for name in split})
    rows += [_by_split("transition", name, summary["transitions"]) for name in transitions]
    rows += [
        ["batches", _transition(name), count(n), UNKNOWN, UNKNOWN] for name, n in sorted(summary["batches"].items())
    ]
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
    rows += [
        ["alternative derived", _transition(name), count(n)]
        for name, n in sorted(summary["derived_alternatives"].items())
    ]
    note = "" if rows else "Nothing was dropped, and every example came with its alternative."
    return Table("Data: what was dropped or derived", ["what", "why", "examples"], rows, note, texts=2)


def _by_split(what: str, name: str, counts: Json) -> list[str]:
    return [what, _transition(name), *(count(counts.get(split, {}).get(name, 0)) for split in SPLITS)]


def _transition(name: str) -> str:
    """`a -> b` of the summary with the arrow that the page has everywhere."""
    return arrow(*ends) if len(ends := name.split(" -> ")) == 2 else name
