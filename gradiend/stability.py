"""Stability: how much the converged seeds of one run have in common, and how far their metrics spread."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from gradiend.comparison import Group, cosines, overlaps, pairs_in_words
from gradiend.model import GradiendModel

NO_METRIC = ("seed",)


def stability(
    models: Mapping[int, GradiendModel], evaluations: Mapping[int, Mapping[str, Any]], tried: Sequence[int], topk: int
) -> dict[str, Any]:
    """`converged, tried, reason, k, pairs, overlap, cosine, metrics` of the converged seeds.

    `models` are those seeds' GRADIENDs before post-pruning, over the same kept entries; `pairs` has, for every two
    seeds, how many of the `k` entries with the largest decoder weights they share, and the cosine of their directions,
    each of which strengthens the first target class. `metrics` has the mean and the standard deviation (of a sample)
    of every number of the evaluations. With fewer than two converged seeds there is nothing to compare, and `reason`
    says so.
    """
    seeds = list(models)
    content: dict[str, Any] = {"converged": seeds, "tried": list(tried), "reason": None, "k": None, "pairs": []}
    content |= {"overlap": None, "cosine": None, "metrics": _metrics([evaluations[seed] for seed in seeds])}
    if len(seeds) < 2:
        reason = f"{len(seeds)} of {len(tried)} tried seeds converged: two are needed to compare them"
        return content | {"reason": reason}
    group = Group.of({str(seed): model for seed, model in models.items()}, topk)
    whole = {"k": group.k}
    if any(model.config.supervised == "encoder" for model in models.values()):
        return content | whole | {"reason": "supervised_encoder: the decoder is not trained"}
    table = overlaps(group.top(), group.entries).merge(cosines(group), on=["run", "other"])
    table = table.assign(run=table["run"].astype(int), other=table["other"].astype(int))
    pairs = table[table["run"] < table["other"]]
    lines = pairs[["run", "other", "common", "overlap", "jaccard", "cosine"]].rename(columns={"run": "seed"})
    shared = {name: pairs_in_words(table, name) for name in ("overlap", "cosine")}
    return content | whole | shared | {"pairs": lines.astype(object).where(lines.notna(), None).to_dict("records")}


def _metrics(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """`n, mean, std` of every number, by its path with dots; std is null for one value."""
    values: dict[str, list[float]] = {}
    for evaluation in evaluations:
        for path, value in _numbers(evaluation):
            values.setdefault(path, []).append(value)
    return {
        path: {"n": len(own), "mean": fmean(own), "std": stdev(own) if len(own) > 1 else None}
        for path, own in values.items()
        if path not in NO_METRIC
    }


def _numbers(content: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(content, Mapping):
        for name, inner in content.items():
            yield from _numbers(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(content, list):
        for place, inner in enumerate(content):
            yield from _numbers(inner, f"{path}.{place}")
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield path, float(content)
