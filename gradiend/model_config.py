"""The config.json of a GRADIEND, checked: what is missing there or wrong would change the meaning of its weights."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from gradiend.arguments import CONFIG, Activation, Source
from gradiend.validation import parse
from gradiend.values import Bool, Count, Expects, Text, read_number

_Index = Annotated[Annotated[int, Field(ge=0)], BeforeValidator(read_number), Expects("an integer >= 0")]
# A little more than 1 is what rounding may make of a correlation of 1.
_Correlation = Annotated[
    Annotated[float, Field(ge=-1.001, le=1.001)] | None,
    BeforeValidator(read_number),
    Expects("a number in [-1, 1] or null"),
]
_Two = Annotated[list[Text], Field(min_length=2, max_length=2), Expects("a list of two different classes")]


@dataclass(frozen=True, config=CONFIG)
class _Stored:
    target_classes: _Two
    source: Source
    target: Source
    latent_dim: Count
    activation_encoder: Activation
    activation_decoder: Activation
    bias_decoder: Bool
    supervised: Literal["encoder", "decoder"] | None
    latent: _Index
    normalized: Bool
    correlation: _Correlation
    made_by: dict[str, Any]
    version: str = ""

    def __post_init__(self) -> None:
        if self.target_classes[0] == self.target_classes[1]:
            raise ValueError(f"target_classes: {self.target_classes} is wrong: should be two different classes")
        if self.latent >= self.latent_dim:
            raise ValueError(
                f"latent: {self.latent} is wrong: should be less than latent_dim, which is {self.latent_dim}"
            )


def checked(content: Any, path: Path) -> dict[str, Any]:
    """The fields of a `GradiendConfig` from what a file says. Raises `GradiendError` that names file, key and value."""
    stored = parse(_Stored, content, f"{path}: not the config of a GRADIEND")
    own = {name: value for name, value in vars(stored).items() if name != "version"}
    return own | {"target_classes": tuple(stored.target_classes)}
