"""The encoders of several runs in one file: all that cross-encoding needs of their GRADIENDs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gradiend.arguments import Activation, Source
from gradiend.errors import GradiendError
from gradiend.files import replacing
from gradiend.model import GradiendModel
from gradiend.space import ParameterSpace
from gradiend.tensor_files import load_tensors, save_tensors


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
        tensors[f"{place}.weight"] = encoder.weight
        for number, parameter in enumerate(space.shapes):
            tensors[f"{place}.kept.{number}"] = space.indices(parameter)
        shapes = [[parameter, list(shape)] for parameter, shape in space.shapes.items()]
        runs.append({"run": name, "shapes": shapes, "about": dict(space.about), "encoder": encoder.about})
    with replacing(path) as temporary:
        save_tensors(temporary, tensors, {"encoders": runs})


def load_encoders(path: Path) -> dict[str, Encoder]:
    """What `save_encoders` wrote, by run. Raises `GradiendError` where the file is missing or broken."""
    tensors, content = load_tensors(path, "file of encoders")
    try:
        return {one["run"]: _encoder(tensors, place, one) for place, one in enumerate(content["encoders"])}
    except (KeyError, TypeError, ValueError) as error:
        raise GradiendError(f"{path}: not a readable file of encoders ({error}); delete it and run again") from error


def _encoder(tensors: Mapping[str, Tensor], place: int, content: Mapping[str, Any]) -> Encoder:
    shapes = {name: tuple(shape) for name, shape in content["shapes"]}
    kept = {name: tensors[f"{place}.kept.{number}"] for number, name in enumerate(shapes)}
    space = ParameterSpace(shapes, kept, content["about"])
    return Encoder(space=space, weight=tensors[f"{place}.weight"], **content["encoder"])
