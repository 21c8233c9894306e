"""The GRADIEND itself: an encoder-decoder over rows of a parameter space (paper, section 3)."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradiend import __version__
from gradiend.aieng_lab import is_checkpoint, read_checkpoint, write_checkpoint
from gradiend.arguments import Activation, Source
from gradiend.errors import GradiendError
from gradiend.files import read_json, replacing, write_json
from gradiend.folders import require_replaceable
from gradiend.model_config import checked
from gradiend.space import ParameterSpace
from gradiend.tensor_files import load_tensors, save_tensors

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "smht": F.hardtanh,
    "id": lambda x: x,
    "relu": F.relu,
    "leakyrelu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
}
Format = Literal["gradiend", "aieng-lab"]
ODD_ACTIVATIONS = frozenset({"tanh", "smht", "id"})  # f(-x) = -f(x): a latent can change its sign


@dataclass(frozen=True)
class GradiendConfig:
    """What a GRADIEND is, and what it was trained for.

    `latent` is the latent whose value is "the encoded value"; `correlation` is the Pearson correlation with the
    labels, on the in-training evaluation rows, of the weights as they are saved (None where degenerate).
    `made_by` says what made it: package version, base model, data, arguments.
    """

    target_classes: tuple[str, str]
    source: Source = "alternative"
    target: Source = "diff"
    latent_dim: int = 1
    activation_encoder: Activation = "tanh"
    activation_decoder: Activation = "id"
    bias_decoder: bool = True
    supervised: str | None = None
    latent: int = 0
    normalized: bool = False
    correlation: float | None = None
    made_by: dict[str, Any] = field(default_factory=dict)

    @property
    def sign(self) -> float:
        """-1 where a GRADIEND that was not normalised encodes the first target class to -1, else 1."""
        normal = self.normalized or self.supervised is not None or (self.correlation or 0) >= 0
        return 1.0 if normal else -1.0


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """One whose weights nobody has drawn: as `nn.utils.skip_init`, whose first use imports sympy for 0.3 s."""
    linear = nn.Linear(inputs, outputs, bias=bias, device="meta")
    linear.weight = nn.Parameter(torch.empty(outputs, inputs))
    if bias:
        linear.bias = nn.Parameter(torch.empty(outputs))
    return linear


class GradiendModel(nn.Module):
    """`h = f(W_e x + b_e)`, `y = g(W_d h + b_d)` over the rows of a space.

    `encoder.weight` is `[latent_dim, input_dim]`, `decoder.weight` `[input_dim, latent_dim]`; float32. The weights
    are not initialised until `initialise` or loading.
    """

    def __init__(self, space: ParameterSpace, config: GradiendConfig) -> None:
        super().__init__()
        self.space, self.config = space, config
        size, latent = space.input_dim, config.latent_dim
        self.encoder = _linear(size, latent)
        self.decoder = _linear(latent, size, bias=config.bias_decoder)

    def initialise(self, seed: int) -> "GradiendModel":
        """Draw all weights from the seed, and return the model.

        Encoder uniform in +-1/sqrt(input_dim), decoder weight and bias uniform in +-max|W_e|.
        """
        generator = torch.Generator().manual_seed(seed)
        bound = 1 / math.sqrt(self.space.input_dim)
        nn.init.uniform_(self.encoder.weight, -bound, bound, generator=generator)
        nn.init.uniform_(self.encoder.bias, -bound, bound, generator=generator)
        largest = float(self.encoder.weight.detach().abs().max())
        for parameter in self.decoder.parameters():
            nn.init.uniform_(parameter, -largest, largest, generator=generator)
        return self

    def encode(self, rows: Tensor) -> Tensor:
        """The latents h of rows: `[..., input_dim] -> [..., latent_dim]`; with tanh in (-1, 1)."""
        return ACTIVATIONS[self.config.activation_encoder](self.encoder(rows))

    def decode(self, latents: Tensor) -> Tensor:
        """The predicted target gradients y of latents: `[..., latent_dim] -> [..., input_dim]`."""
        return ACTIVATIONS[self.config.activation_decoder](self.decoder(latents))

    def forward(self, rows: Tensor) -> Tensor:
        """`decode(encode(rows))`, `[..., input_dim]`: what training compares with the target rows."""
        return self.decode(self.encode(rows))

    @torch.no_grad()
    def update(self, feature_factor: float) -> Tensor:
        """The decoder's weight update `[input_dim]` with the feature factor at `config.latent`, 0 elsewhere.

        A supervised decoder was trained with the label in every latent, and so gets the feature factor in every one.
        """
        latents = torch.zeros(self.config.latent_dim)
        latents[slice(None) if self.config.supervised == "decoder" else self.config.latent] = feature_factor
        return self.decode(latents)

    def select(self, positions: Tensor) -> "GradiendModel":
        """The GRADIEND over the entries at these sorted positions `[k]` (int64), with their weights; this one stays."""
        smaller = GradiendModel(self.space.select(positions), self.config)
        weights = {
            "encoder.weight": self.encoder.weight.detach()[:, positions],
            "encoder.bias": self.encoder.bias.detach(),
            "decoder.weight": self.decoder.weight.detach()[positions],
        }
        if self.config.bias_decoder:
            weights["decoder.bias"] = self.decoder.bias.detach()[positions]
        smaller.load_state_dict(weights)
        return smaller

    def save_pretrained(
        self, folder: str | Path, training: Mapping[str, Any] | None = None, *, format: Format = "gradiend"
    ) -> None:
        """Write `model.safetensors`, `space.safetensors`, `config.json`, and `training.json` where given, at once.

        "aieng-lab" is the format of the paper's own package, which has no `training`. Raises `GradiendError` where the
        folder holds anything that is not of a GRADIEND.
        """
        folder = Path(folder)
        if format not in get_args(Format):
            raise GradiendError(f"format: {format!r} is wrong: should be one of {list(get_args(Format))}")
        if format == "aieng-lab":
            return write_checkpoint(folder, self.space, self.state_dict(), dataclasses.asdict(self.config))
        require_replaceable(folder)
        with replacing(folder) as temporary:
            temporary.mkdir()
            save_tensors(temporary / "model.safetensors", self.state_dict())
            self.space.save(temporary / "space.safetensors")
            write_json(temporary / "config.json", dataclasses.asdict(self.config) | {"version": __version__})
            if training is not None:
                write_json(temporary / "training.json", training)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "GradiendModel":
        """Read what `save_pretrained` wrote, in either format. Raises `GradiendError` that names the wrong file."""
        folder = Path(folder)
        if is_checkpoint(folder):
            found = read_checkpoint(folder)
            config = dataclasses.asdict(GradiendConfig(**found.config))
            model = cls(found.space, _config_of(config, folder / "config.json"))
            model.load_state_dict(dict(found.weights))
            return model
        space = ParameterSpace.load(folder / "space.safetensors")
        return read_gradiend(space, folder / "config.json", folder / "model.safetensors")


def read_gradiend(space: ParameterSpace, config: Path, weights: Path) -> GradiendModel:
    """The GRADIEND of these files. Raises `GradiendError` that names the wrong one."""
    model = GradiendModel(space, _config_of(read_json(config), config))
    tensors, _ = load_tensors(weights, "GRADIEND")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise GradiendError(f"{weights}: not the weights of a GRADIEND like its config.json ({reason})") from error
    return model


def _config_of(content: Any, path: Path) -> GradiendConfig:
    return GradiendConfig(**checked(content, path))


def made_by(space: ParameterSpace, arguments: str) -> dict[str, Any]:
    """What made a result: package version, base model (from the space), and the stage's settings."""
    return {"version": __version__, **space.about, "arguments": json.loads(arguments)}
