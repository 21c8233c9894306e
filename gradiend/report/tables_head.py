"""The table of a report about the head that gradients come through, where there is one."""

from gradiend.report.inputs import Inputs, Json
from gradiend.report.numbers import UNKNOWN, count, number, percent
from gradiend.report.table import Table

SPLITS = ("train", "validation", "test")


def tables(inputs: Inputs) -> list[Table]:
    """One table, or none where gradients come through the model's own head."""
    return [mlm_head(inputs.mlm_head)] if inputs.mlm_head else []


def mlm_head(quality: Json) -> Table:
    """How good the head is, by split and class."""
    rows = [
        row
        for split in SPLITS
        for row in (
            [split, "all", *_cells(quality[split]), percent(quality[split]["majority"]["share"])],
            *([split, name, *_cells(own), UNKNOWN] for name, own in sorted(quality[split]["by_class"].items())),
            [split, "factual likelier than alternative", *_cells(quality[split]["pairs"]), UNKNOWN],
        )
    ]
    note = (
        f"Gradients come through a linear head on the mean hidden state of the slot, where {quality['filler']} stands, "
        f"and of the next {quality['right_window']} tokens. Trained on train, window and weight decay "
        f"({number(quality['weight_decay'])}) chosen on validation. What the rewritten models are measured by is the "
        "base model's own predictions."
    )
    return Table("Right-context head", ["split", "examples", "n", "right", "majority"], rows, note, texts=2)


def _cells(block: Json) -> list[str]:
    return [count(block["n"]), percent(block["accuracy"])]
