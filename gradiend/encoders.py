"""The encoders of several runs in one file: all that cross-encoding needs of their GRADIENDs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gradiend.arguments import Activation, Source
from gradiend.errors import GradiendError
from gradiend.files import replacing
from gradiend.model import GradiendModel
from gradiend.space import ParameterSpace


@dataclass(frozen=True)
class Encoder:
    """How a GRADIEND encodes: `activation(weight @ source gradient + bias)` over its space, of the encoded latent.

    `weight` is `[input_dim]`; `sign` times the encoded value is positive for the first target class.
    """

    space: ParameterSpace
    weight: Tensor
    bias: float
    sign: float
    source: Source
    activation: Activation
    trained: bool

    @classmethod
    def of(cls, model: GradiendModel) -> "Encoder":
        """The encoder of a GRADIEND; that of a supervised decoder is not trained."""
        config = model.config
        return cls(
            space=model.space,
            weight=model.encoder.weight.detach()[config.latent].clone(),
            bias=float(model.encoder.bias.detach()[config.latent]),
            sign=config.sign,
            source=config.source,
            activation=config.activation_encoder,
            trained=config.supervised != "decoder",
        )

    @property
    def about(self) -> dict[str, Any]:
        """All but the weight and the kept entries."""
        own = {"bias": self.bias, "sign": self.sign, "source": self.source, "activation": self.activation}
        return own | {"trained": self.trained}


def save_encoders(path: Path, encoders: Mapping[str, Encoder]) -> None:
    """Write all in one safetensors file."""
    tensors, runs = {}, []
    for place, (name, encoder) in enumerate(encoders.items()):
        space = encoder.space
        tensors[f"{place}.weight"] = encoder.weight.contiguous()
        for number, parameter in enumerate(space.shapes):
            tensors[f"{place}.kept.{number}"] = space.indices(parameter).contiguous()
        shapes = [[parameter, list(shape)] for parameter, shape in space.shapes.items()]
        runs.append({"run": name, "shapes": shapes, "about": dict(space.about), "encoder": encoder.about})
    with replacing(path) as temporary:
        save_file(tensors, temporary, {"encoders": json.dumps(runs, sort_keys=True)})


def load_encoders(path: Path) -> dict[str, Encoder]:
    """What `save_encoders` wrote, by run. Raises `GradiendError` where the file is missing or broken."""
    try:
        with safe_open(path, framework="pt") as file:
            runs = json.loads((file.metadata() or {})["encoders"])
            return {one["run"]: _encoder(file, place, one) for place, one in enumerate(runs)}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise GradiendError(f"{path}: not a file of encoders ({error}); delete it and run again") from error


def _encoder(file: Any, place: int, content: Mapping[str, Any]) -> Encoder:
    shapes = {name: tuple(shape) for name, shape in content["shapes"]}
    kept = {name: file.get_tensor(f"{place}.kept.{number}") for number, name in enumerate(shapes)}
    space = ParameterSpace(shapes, kept, content["about"])
    return Encoder(space=space, weight=file.get_tensor(f"{place}.weight"), **content["encoder"])
