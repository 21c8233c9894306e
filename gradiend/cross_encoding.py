"""Cross-encoding: the encoders of several runs on the examples of one, exact in each encoder's own kept space."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradiend.encoders import Encoder
from gradiend.gradients.rows import Rows, source_of
from gradiend.labels import labels, spoken_class
from gradiend.model import ACTIVATIONS
from gradiend.scores import correlation, statistics_by_class

NO_ENCODER = "supervised_decoder: the encoder is not trained"
COLUMNS = ("encoder", "example_id", "factual_class", "alternative_class", "spoken_class", "label", "encoded")


def encode_rows_of(
    encoders: Mapping[str, Encoder], rows: Rows, order: Sequence[int], target_classes: Sequence[str]
) -> pd.DataFrame:
    """The encoded values of some rows by every encoder, with the `COLUMNS`; every gradient is computed once.

    `order` has the rows, in the order in which they are read; their space holds the entries of all encoders. An encoder
    gets its own source gradient of a row, and `label` is that of the class which this gradient speaks for, by the
    `target_classes` of the rows' run. Encoded values are aligned: the encoder's first target class is positive.
    """
    where = {name: encoder.space.positions_in(rows.space) for name, encoder in encoders.items()}
    sums: dict[str, list[Tensor]] = {name: [] for name in encoders}
    for factual, alternative in rows.blocks(order):
        for name, encoder in encoders.items():
            sums[name].append(_source_products(encoder, where[name], factual, alternative))
    parts = [_table(name, encoders[name], sums[name], rows, order, target_classes) for name in encoders]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def cross_correlations(encodings: Mapping[str, pd.DataFrame], reasons: Mapping[str, str]) -> pd.DataFrame:
    """`encoder, run, correlation, reason, n`: each encoder on the rows of each run, against that run's labels.

    `encodings` has the table of `encode_rows_of` by run, `reasons` why an encoder encodes nothing.
    """
    lines: list[dict[str, Any]] = []
    for run, table in encodings.items():
        for encoder, own in table.groupby("encoder", sort=False):
            found = correlation(own["encoded"].to_numpy(), own["label"].to_numpy())
            line = {"encoder": encoder, "run": run, "correlation": found.value, "reason": found.reason}
            lines.append({**line, "n": len(own)})
        lines += [
            {"encoder": encoder, "run": run, "correlation": None, "reason": reason, "n": 0}
            for encoder, reason in reasons.items()
        ]
    table = pd.DataFrame(lines, columns=["encoder", "run", "correlation", "reason", "n"])
    return table.astype({"correlation": float, "n": int})


def cross_classes(encodings: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """`encoder, run, class, n, mean, std, q25, q50, q75`, by the class that the source gradient speaks for."""
    lines = [
        {"encoder": encoder, "run": run, "class": name, **found}
        for run, table in encodings.items()
        for encoder, own in table.groupby("encoder", sort=False)
        for name, found in statistics_by_class(own["encoded"].to_numpy(), own["spoken_class"].to_numpy()).items()
    ]
    return pd.DataFrame(lines, columns=["encoder", "run", "class", "n", "mean", "std", "q25", "q50", "q75"])


def _source_products(encoder: Encoder, where: Tensor, factual: Tensor, alternative: Tensor) -> Tensor:
    """`[block]`: the source gradients of the rows times the encoder's weights; that of a diff without forming it."""
    if encoder.source == "diff":
        return factual[:, where] @ encoder.weight - alternative[:, where] @ encoder.weight
    return source_of(factual, alternative, encoder.source)[:, where] @ encoder.weight


def _table(
    name: str,
    encoder: Encoder,
    sums: Sequence[Tensor],
    rows: Rows,
    order: Sequence[int],
    target_classes: Sequence[str],
) -> pd.DataFrame:
    table = rows.table.iloc[list(order)]
    inside = torch.cat([*sums, torch.empty(0)]).double() + encoder.bias
    found = pd.DataFrame(
        {
            "encoder": name,
            "example_id": np.array([ids[0] for ids in table["example_ids"]], dtype=np.int64),
            "factual_class": table["factual_class"].to_numpy(dtype=str),
            "alternative_class": table["alternative_class"].to_numpy(dtype=str),
            "spoken_class": spoken_class(table, encoder.source).to_numpy(dtype=str),
            "label": labels(table, encoder.source, target_classes),
            "encoded": encoder.sign * ACTIVATIONS[encoder.activation](inside).numpy(),
        }
    )
    return found.sort_values("example_id", ignore_index=True)
