"""Encoder evaluation: the rows of a split -> their encoded values -> one block of metrics, with its baselines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradiend.gradients.rows import Rows, source_of
from gradiend.labels import labels, spoken_class
from gradiend.model import ACTIVATIONS, GradiendModel
from gradiend.scores import (
    Correlation,
    balanced_accuracy,
    bootstrap_interval,
    correlation,
    permutation_p_value,
    statistics_by_class,
)
from gradiend.space import ParameterSpace

BASELINES = ("mean_difference", "without_embeddings")
NEUTRAL = "neutral"


@dataclass(frozen=True)
class Encoding:
    """The encoded rows of one split.

    `table` has `example_id, factual_class, alternative_class, label, encoded`, one line a row; `classes` `[rows]`
    are the classes that the source gradients speak for; `baselines` has by name what each encodes the same rows
    to, `[rows]`, or None where it has no entries to encode with.
    """

    table: pd.DataFrame
    classes: np.ndarray
    baselines: Mapping[str, np.ndarray | None] = field(default_factory=dict)


def project(rows: Rows, positions: Sequence[int], directions: Tensor, source: str) -> np.ndarray:
    """`[len(positions), k]` float64: the source gradients of some rows times directions `[k, input_dim]`.

    The rows are read once, however many directions there are.
    """

    def products(block: Tensor) -> Tensor:
        return (block @ directions.T).double()  # [block, k]

    blocks = rows.blocks(positions)
    parts = [_linear(products, factual, alternative, source).numpy() for factual, alternative in blocks]
    return np.concatenate([np.empty((0, len(directions))), *parts])


def encode(model: GradiendModel, rows: Rows, positions: Sequence[int], source: str) -> np.ndarray:
    """`[len(positions)]` float64: the encoded values of some rows.

    The rows' space may be larger than the GRADIEND's. Raises `GradiendError` if it lacks an entry.
    """
    directions = lifted(_encoder_weight(model)[None], model.space, rows.space)
    return _activated(model, project(rows, positions, directions, source)[:, 0])


def lifted(vectors: Tensor, space: ParameterSpace, larger: ParameterSpace) -> Tensor:
    """Vectors `[k, input_dim]` of a space as vectors of a larger one, 0 at the entries that the space lacks."""
    if space.digest == larger.digest:
        return vectors
    result = torch.zeros(len(vectors), larger.input_dim)
    result[:, space.positions_in(larger)] = vectors
    return result


def encode_split(
    model: GradiendModel,
    rows: Rows,
    positions: Sequence[int],
    *,
    source: str,
    target_classes: Sequence[str],
    direction: Tensor,
) -> Encoding:
    """Some rows of a split, encoded by the GRADIEND and by its baselines, reading every row once.

    `direction` `[input_dim]` of the rows' space is the `mean_difference` of the training rows. Of it only the
    GRADIEND's own entries count: all that are stored for an unpruned GRADIEND, those left for a post-pruned one.
    """
    outside = model.space.outside(model.space.about.get("embeddings") or ())
    own = direction if model.space.digest == rows.space.digest else direction[model.space.positions_in(rows.space)]
    weight = _encoder_weight(model)
    directions = lifted(torch.stack([weight, weight * outside, own]), model.space, rows.space)
    encoded, without, untrained = project(rows, positions, directions, source).T
    if bool(outside.all()):
        without = encoded  # the same but for rounding
    baselines = {
        "mean_difference": untrained,
        "without_embeddings": _activated(model, without) if bool(outside.any()) else None,
    }
    used = rows.table.iloc[list(positions)]
    table = _encodings(used, labels(used, source, target_classes), _activated(model, encoded))
    return Encoding(table, spoken_class(used, source).to_numpy(), baselines)


def encode_neutral(model: GradiendModel, rows: Rows, positions: Sequence[int]) -> Encoding:
    """Neutral texts, encoded by the factual gradient, the only one they have, whatever the source. Label 0."""
    used = rows.table.iloc[list(positions)].assign(factual_class=NEUTRAL, alternative_class=NEUTRAL)
    table = _encodings(used, np.zeros(len(used)), encode(model, rows, positions, "factual"))
    return Encoding(table, np.full(len(used), NEUTRAL))


def nothing_encoded() -> Encoding:
    """The encoding of no rows."""
    rows = pd.DataFrame(columns=["example_ids", "factual_class", "alternative_class"])
    return Encoding(_encodings(rows, np.empty(0), np.empty(0)), np.empty(0, dtype=str))


def metrics_of(encoding: Encoding, *, seed: int) -> dict[str, Any]:
    """The block of metrics of the encoded rows of a split; `seed` draws resamples and permutations.

    `reason` says why the correlation, or a baseline, is None.
    """
    encoded, signs = encoding.table["encoded"].to_numpy(), encoding.table["label"].to_numpy()
    score = correlation(encoded, signs)
    baselines = {name: _baseline(encoding.baselines[name], signs) for name in BASELINES}
    interval = bootstrap_interval(encoded, signs, seed=seed)
    return _unscored(encoding, _reasons(score, baselines)) | {
        "correlation": score.value,
        "correlation_interval": None if interval is None else list(interval),
        "p_value": permutation_p_value(encoded, signs, seed=seed),
        "balanced_accuracy": balanced_accuracy(encoded, signs),
        "baselines": {name: baseline.value for name, baseline in baselines.items()},
    }


def neutral_metrics_of(encoding: Encoding) -> dict[str, Any]:
    """The block of metrics of the encoded neutral texts: their statistics, which should lie near 0."""
    return _unscored(encoding, "neutral texts have no label" if len(encoding.table) else "no neutral texts")


def no_metrics(reason: str) -> dict[str, Any]:
    """The block of metrics where nothing is encoded, with the reason."""
    return _unscored(nothing_encoded(), reason)


def in_words(metrics: Mapping[str, Any]) -> str:
    """`correlation 0.97 [0.95, 0.98]` of a block of metrics, or `correlation null (the reason)`."""
    if metrics["correlation"] is None:
        return f"correlation null ({metrics['reason']})"
    interval = metrics["correlation_interval"]
    shown = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    return f"correlation {metrics['correlation']:.2f}{shown}"


def _linear(function: Callable[[Tensor], Tensor], factual: Tensor, alternative: Tensor, source: str) -> Tensor:
    """A linear function of the source gradients; that of a diff without forming the diff."""
    if source == "diff":
        return function(factual) - function(alternative)
    return function(source_of(factual, alternative, source))


def _encoder_weight(model: GradiendModel) -> Tensor:
    """`[input_dim]`: the encoder's weights of the latent whose value is the encoded value."""
    return model.encoder.weight.detach()[model.config.latent]


def _activated(model: GradiendModel, projected: np.ndarray) -> np.ndarray:
    """The encoded values `[rows]` of the rows' products with the encoder's weights, in float64."""
    bias = float(model.encoder.bias.detach()[model.config.latent])
    return ACTIVATIONS[model.config.activation_encoder](torch.from_numpy(projected + bias)).numpy()


def _encodings(rows: pd.DataFrame, signs: np.ndarray, encoded: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "example_id": np.array([ids[0] for ids in rows["example_ids"]], dtype=np.int64),
            "factual_class": rows["factual_class"].to_numpy(dtype=str),
            "alternative_class": rows["alternative_class"].to_numpy(dtype=str),
            "label": signs,
            "encoded": encoded,
        }
    )


def _baseline(encoded: np.ndarray | None, signs: np.ndarray) -> Correlation:
    if encoded is None:
        return Correlation(None, "every kept entry belongs to the embeddings")
    return correlation(encoded, signs)


def _reasons(score: Correlation, baselines: Mapping[str, Correlation]) -> str | None:
    own = [score.reason] if score.reason else []
    more = [f"{name}: {b.reason}" for name, b in baselines.items() if b.reason not in (None, score.reason)]
    return "; ".join([*own, *more]) or None


def _unscored(encoding: Encoding, reason: str | None) -> dict[str, Any]:
    return {
        "correlation": None,
        "correlation_interval": None,
        "p_value": None,
        "reason": reason,
        "balanced_accuracy": None,
        "n": len(encoding.table),
        "classes": statistics_by_class(encoding.table["encoded"].to_numpy(), encoding.classes),
        "baselines": dict.fromkeys(BASELINES),
    }
