"""The seeds of a run -> what the converged ones have in common, how far their metrics spread, and a figure."""

import sys
from pathlib import Path

from gradiend import plots
from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json, write_text
from gradiend.model import GradiendModel
from gradiend.plots_comparison import seed_pairs
from gradiend.selection import has_converged, require_same_training
from gradiend.settings import MeasureStability
from gradiend.stability import stability
from gradiend.stages.command import main


def run(*, settings: MeasureStability, configs: list[Path], evaluations: list[Path], out: Path, figure: Path) -> str:
    """Write `out`, and `figure`, an SVG file; the lists have the config.json and the evaluation of every seed."""
    if len(configs) != len(evaluations):
        raise GradiendError(f"{len(configs)} --configs and {len(evaluations)} --evaluations: give one of each per seed")
    folders = [config.parent for config in configs]
    for folder, evaluation in zip(folders, evaluations, strict=True):
        require_same_training(evaluation, folder / "training.json")
    read = {int(one["seed"]): (one, folder) for one, folder in zip(map(read_json, evaluations), folders, strict=True)}
    metric, threshold = settings.convergent_metric, settings.convergent_score_threshold
    converged = sorted(seed for seed, (one, _) in read.items() if has_converged(one, metric, threshold))
    loaded = {seed: GradiendModel.from_pretrained(read[seed][1]) for seed in converged}
    content = stability(loaded, {seed: one for seed, (one, _) in read.items()}, sorted(read), settings.topk)
    write_text(figure, plots.svg(seed_pairs(content), "stability"))
    write_json(out, content)
    if content["reason"]:
        return f"measure_stability: nothing to compare, {content['reason']}"
    overlap, cosine = (content[name]["mean"] for name in ("overlap", "cosine"))
    shown = "null" if cosine is None else f"{cosine:.3f}"
    return f"measure_stability: {len(converged)} seeds, overlap of the top {content['k']} {overlap:.3f}, cosine {shown}"


if __name__ == "__main__":
    sys.exit(main(run))
