"""The selected GRADIEND -> the one with only its most important entries (or a copy, where nothing is pruned)."""

import sys
from pathlib import Path

from gradiend.files import read_json
from gradiend.model import GradiendModel
from gradiend.pruning import kept_positions, weight_importance
from gradiend.settings import PostPrune
from gradiend.stages.command import main


def run(*, settings: PostPrune, best: Path, out: Path) -> str:
    """Read `seeds/best`, write `model/`."""
    model = GradiendModel.from_pretrained(best)
    smaller = pruned(model, settings)
    smaller.save_pretrained(out, training=read_json(best / "training.json"))
    return f"post_prune: {smaller.space.input_dim} of {model.space.input_dim} entries kept"


def pruned(model: GradiendModel, settings: PostPrune) -> GradiendModel:
    """The model over its most important entries; the model itself where nothing is pruned."""
    if settings.part is None:
        return model
    importance = weight_importance(model, settings.part)
    return model.select(kept_positions(importance, settings.topk, settings.threshold))


if __name__ == "__main__":
    sys.exit(main(run))
