"""Importance -> the kept space; without pre-pruning, the space of all selected parameters of the base model."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gradiend.errors import GradiendError
from gradiend.pruning import kept_positions
from gradiend.settings import PrePrune
from gradiend.space import ParameterSpace, select_parameters
from gradiend.stages.command import main
from gradiend.tensor_files import load_tensors


def run(*, settings: PrePrune, importance: Path | None = None, out: Path) -> str:
    """Write `space.safetensors`. Either `importance` is given, or the settings name a base model."""
    if importance is not None:
        tensors, about = read_importance(importance)
        about = {**about, "pre_pruning": {"topk": settings.topk, "threshold": settings.threshold}}
        full = ParameterSpace.of(tensors, about)
        positions = kept_positions(full.gather(tensors), settings.topk, settings.threshold)
        space = full.select(positions)
    else:
        space = full = _whole_space(settings)
    space.save(out)
    share = space.input_dim / max(1, full.input_dim)
    return f"pre_prune: {space.input_dim} of {full.input_dim} entries kept ({100 * share:.3g} %)"


def read_importance(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """The importance by parameter, in model order, and what it says about the base model."""
    tensors, content = load_tensors(path, "importance file")
    try:
        return {name: tensors[name] for name in content["order"]}, content["about"]
    except (KeyError, TypeError) as error:
        raise GradiendError(f"{path}: not a readable importance file ({error}); delete it and run again") from error


def _whole_space(settings: PrePrune) -> ParameterSpace:
    from gradiend.backbones.loading import load_base_model
    from gradiend.stages.cache_importance import about_base_model

    if settings.base_model is None:
        raise GradiendError("--settings: base_model is missing, and no --importance is given")
    base = load_base_model(settings.base_model)
    parameters = base.parameters()
    names = select_parameters(list(parameters), settings.params)
    return ParameterSpace.of({name: parameters[name] for name in names}, about_base_model(settings.base_model, base))


if __name__ == "__main__":
    sys.exit(main(run))
