"""The seeds' evaluations -> verdicts, the seed report, and a copy of the best seed's model."""

import logging
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradiend.errors import GradiendError
from gradiend.files import read_json, replacing, write_json
from gradiend.folders import require_replaceable
from gradiend.selection import SeedRun, require_same_training, select
from gradiend.settings import SelectSeed
from gradiend.stages.command import main

LOG = logging.getLogger(__name__)


def run(
    *,
    settings: SelectSeed,
    evaluations: list[Path],
    trainings: list[Path],
    report: Path,
    best: Path,
) -> str:
    """Write `seed_report.json` and copy the selected model folder to `best`; the lists have one item per seed.

    The model lies in the folder `model` beside a seed's `training.json`. Where no seed has converged the best of
    them is selected all the same, with a warning.
    """
    if len(evaluations) != len(trainings):
        raise GradiendError(
            f"{len(evaluations)} --evaluations and {len(trainings)} --trainings: give one of each per seed"
        )
    runs = [_seed_run(*one) for one in zip(evaluations, trainings, strict=True)]
    content = select(runs, settings)
    _copy(Path(next(run.output_dir for run in runs if run.seed == content["best_seed"])), best)
    write_json(report, content)
    if content["convergent_count"]:
        return f"select_seed: {_selected(content)}; {content['convergent_count']} of {len(runs)} converged"
    warning = f"no seed converged ({_condition(settings)}): took {_selected(content)}, the best of them"
    LOG.warning(warning)
    return f"WARNING: {warning}"


def _seed_run(evaluation: Path, training: Path) -> SeedRun:
    require_same_training(evaluation, training)
    metrics, trained = read_json(evaluation), read_json(training)
    return SeedRun(metrics["seed"], str(training.parent / "model"), metrics, trained["training_score"])


def _copy(model: Path, best: Path) -> None:
    """Copy a model folder, without hidden files: those are not the model's."""
    if not model.is_dir():
        raise GradiendError(f"{model}: no such model folder")
    require_replaceable(best)
    with replacing(best) as temporary:
        shutil.copytree(model, temporary, ignore=shutil.ignore_patterns(".*"), copy_function=shutil.copy)


def _selected(content: Mapping[str, Any]) -> str:
    value = next(run for run in content["runs"] if run["seed"] == content["best_seed"])["convergence_metric_value"]
    shown = "null" if value is None else f"{value:.2g}"
    return f"seed {content['best_seed']} of {content['seeds_tried']}, {content['convergence_metric']} {shown}"


def _condition(settings: SelectSeed) -> str:
    sign = "<=" if settings.convergent_metric == "loss" else ">="
    return f"{settings.convergent_metric} {sign} {settings.convergent_score_threshold:g}"


if __name__ == "__main__":
    sys.exit(main(run))
