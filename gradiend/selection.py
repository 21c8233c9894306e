"""Seeds: which to try next, which have converged, which is the best. Light: the workflow asks while it plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.settings import SelectSeed


@dataclass(frozen=True)
class SeedRun:
    """One tried seed: the folder of its model, its `evaluation.json`, and its best score during training."""

    seed: int
    output_dir: str
    evaluation: Mapping[str, Any]
    training_score: float | None
    trained: bool = True
    used_cache: bool = False


def seed_values(seed: int | None, max_seeds: int) -> list[int]:
    """The seeds that may be tried, in order: `seed, seed + 1, ...` (None: 0, 1, ...)."""
    first = seed or 0
    return list(range(first, first + max_seeds))


def next_seeds(converged: Mapping[int, bool], seeds: Sequence[int], min_convergent: int | None) -> list[int]:
    """The next wave: the untried seeds that are needed even if all of them converge; `[]` means stop.

    `converged` has the verdicts so far, `seeds` all that may be tried, in order. Wave after wave that tries
    exactly the seeds that one after the other would until `min_convergent` have converged (None: all).
    """
    wave, hoped_for = [], 0
    for seed in seeds:
        if hoped_for == min_convergent:
            break
        if seed not in converged:
            wave.append(seed)
        hoped_for += converged.get(seed, True)
    return wave


def metric_of(evaluation: Mapping[str, Any], metric: str) -> float | None:
    """The value of the convergence metric, "correlation" or "loss", of an `evaluation.json`."""
    value: float | None = evaluation[metric]
    return value


def has_converged(evaluation: Mapping[str, Any], metric: str, threshold: float) -> bool:
    """Whether correlation >= threshold, with its sign, or loss <= threshold; without a value it has not."""
    value = metric_of(evaluation, metric)
    if value is None:
        return False
    return value <= threshold if metric == "loss" else value >= threshold


def require_same_training(evaluation: Path, training: Path) -> None:
    """Raises `GradiendError` where the evaluation of a GRADIEND is not of what its training.json tells of."""
    metrics, trained = read_json(evaluation), read_json(training)
    for name in ("seed", "loss", "training_score"):
        if metrics[name] != trained[name]:
            what = f"its {name} is {metrics[name]}, that of {training} is {trained[name]}"
            raise GradiendError(f"{evaluation}: {what}: give those of one training, or delete both and run again")


def select(runs: Sequence[SeedRun], settings: SelectSeed) -> dict[str, Any]:
    """The seed report, with exactly the keys of the argument guide; `best_seed` is the selected seed.

    The best seed has the highest selection score among the converged ones, else among all. Unlike scores are
    not compared: seeds without an `eval_correlation` come after those that have one, seeds without any score
    last. Equal scores go to the earlier seed. Raises `GradiendError` without runs.
    """
    if not runs:
        raise GradiendError("no seed to select from: give at least one")
    entries = [_entry(run, settings) for run in runs]
    best = max(entries, key=_rank)
    return {
        "convergence_metric": settings.convergent_metric,
        "threshold": settings.convergent_score_threshold,
        "min_convergent_seeds": settings.min_convergent_seeds,
        "max_seeds": settings.max_seeds,
        "seeds_tried": [run.seed for run in runs],
        "convergent_count": sum(entry["converged"] for entry in entries),
        "best_seed": best["seed"],
        "best_selection_score": best["selection_score"],
        "early_stop_reason": _early_stop_reason(entries, settings),
        "runs": entries,
    }


def _entry(run: SeedRun, settings: SelectSeed) -> dict[str, Any]:
    metric, threshold = settings.convergent_metric, settings.convergent_score_threshold
    correlation = run.evaluation["correlation"]
    return {
        "seed": run.seed,
        "output_dir": run.output_dir,
        "trained": run.trained,
        "used_cache": run.used_cache,
        "training_score": run.training_score,
        "eval_correlation": correlation,
        "selection_score": run.training_score if correlation is None else correlation,
        "convergence_metric": metric,
        "convergence_metric_value": metric_of(run.evaluation, metric),
        "threshold": threshold,
        "converged": has_converged(run.evaluation, metric, threshold),
    }


def _rank(entry: Mapping[str, Any]) -> tuple[bool, bool, bool, float]:
    score = entry["selection_score"]
    return entry["converged"], entry["eval_correlation"] is not None, score is not None, score or 0.0


def _early_stop_reason(entries: Sequence[Mapping[str, Any]], settings: SelectSeed) -> str | None:
    count, least = sum(entry["converged"] for entry in entries), settings.min_convergent_seeds
    if least is None or count < least or len(entries) >= settings.max_seeds:
        return None
    return f"{count} converged after {len(entries)} of at most {settings.max_seeds} seeds, {least} required"
