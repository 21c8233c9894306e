"""The tables of a report about where in the base model the feature sits."""

from gradiend.report.entries import largest
from gradiend.report.inputs import Inputs, entry_counts
from gradiend.report.numbers import count, percent, signed
from gradiend.report.table import Table

MOST = 15


def largest_entries(inputs: Inputs) -> Table:
    """The entries with the largest weights."""
    found = largest(inputs.space, inputs.weights, MOST)
    whole = float((inputs.weights**2).sum()) or 1.0
    rows = [
        [row["parameter"], f"[{row['index']}]", signed(row["weight"]), percent(row["weight"] ** 2 / whole)]
        for row in found.to_dict("records")
    ]
    header = ["parameter", "index", f"{inputs.weights_of} weight", "share of the squared norm"]
    note = f"Of {count(inputs.space.input_dim)} kept entries; the index is that of the entry in its parameter, from 0."
    return Table("The largest entries", header, rows, note, texts=2)


def kept_entries(inputs: Inputs) -> Table:
    """Kept entries by parameter, the parameters with the most first."""
    counts = sorted(entry_counts(inputs.space).items(), key=lambda item: -item[1][0])
    rows = [[name, count(kept), count(size), percent(kept / size if size else None)] for name, (kept, size) in counts]
    total = inputs.space.input_dim
    note = f"{count(total)} of {count(inputs.entries)} entries of the selected parameters are kept."
    return Table("Kept entries by parameter", ["parameter", "kept", "entries", "share"], rows, note, printed=False)
