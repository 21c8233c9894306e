"""A base model together with its GRADIEND: encode texts, rewrite the base model, save and load."""

import copy
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradiend.aieng_lab import is_checkpoint
from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.loading import load_base_model
from gradiend.devices import AUTO, placement
from gradiend.errors import GradiendError
from gradiend.files import digest_files
from gradiend.gradients.capture import Capture, Pair
from gradiend.gradients.rows import source_of
from gradiend.labels import strengthening_factor
from gradiend.model import Format, GradiendModel
from gradiend.model_files import model_files
from gradiend.rewriting import Rewriter
from gradiend.settings import BaseModel
from gradiend.space import ParameterSpace


class ModelWithGradiend:
    """A frozen base model and a GRADIEND over some of its parameters.

    `gradiend` is the encoder-decoder, `base_model` the Hugging Face model, `tokenizer` its tokenizer; `settings` says
    how the base model was loaded, `space` which entries of its parameters the GRADIEND is over, `trained` whether its
    weights are other than random.
    """

    def __init__(
        self,
        base: LanguageModel,
        settings: BaseModel,
        space: ParameterSpace,
        make: Callable[[], GradiendModel],
        *,
        trained: bool = True,
    ) -> None:
        """`make` gives the GRADIEND when it is first needed: a trainer only wants to know its parameters."""
        self._base, self.settings, self.space, self._make, self.trained = base, settings, space, make, trained

    @cached_property
    def gradiend(self) -> GradiendModel:
        """The encoder-decoder."""
        return self._make()

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        base_model: str | None = None,
        device: str | None = None,
        device_encoder: str | None = None,
        device_decoder: str | None = None,
        device_base_model: str | None = None,
        torch_dtype: str | None = None,
        trust_remote_code: bool = False,
        prediction_objective: str = "auto",
    ) -> Self:
        """Read a GRADIEND's folder, of this package or of the paper's, and load the base model that it names.

        `base_model` is another place of the same base model. Devices are "cpu", "cuda", "cuda:N", "mps" or None: by
        the number of GPUs; `device` is that of all that have none of their own. `torch_dtype` is the base model's, by
        default as in training. Raises `GradiendError`: no GRADIEND there, or a base model that is missing or another.
        """
        folder = Path(path)
        _require_gradiend(folder)
        device, device_encoder, device_decoder, device_base_model = (
            None if one is None else str(one) for one in (device, device_encoder, device_decoder, device_base_model)
        )  # a torch.device is as good, and 0 is no "not given"
        gradiend = GradiendModel.from_pretrained(folder)
        about = gradiend.space.about
        name = base_model or about.get("base_model")
        if not name:
            raise GradiendError(f"{folder}: does not say of which base model it is: give base_model")
        settings = base_settings(
            str(name),
            revision=None if base_model else about.get("revision"),
            torch_dtype=str(torch_dtype or about.get("torch_dtype") or "float32"),
            trust_remote_code=trust_remote_code,
            prediction_objective=prediction_objective,
        )
        if about.get("base_model_digest", "") not in ("", settings.model_digest):
            raise GradiendError(f"{folder}: was trained on another model than what is in '{name}' now: give base_model")
        base = load_base_model(settings, device=device_base_model or device or AUTO)
        devices = placement(
            torch.cuda.device_count(),
            encoder=device_encoder or device or AUTO,
            decoder=device_decoder or device or AUTO,
            mps=torch.backends.mps.is_available(),
        )
        gradiend.encoder.to(devices.encoder)
        gradiend.decoder.to(devices.decoder)
        return cls(base, settings, gradiend.space, lambda: gradiend)

    @property
    def base_model(self) -> PreTrainedModel:
        """The Hugging Face model."""
        return self._base.pretrained

    @property
    def tokenizer(self) -> Any:
        """The base model's tokenizer."""
        return self._base.tokenizer

    @property
    def name_or_path(self) -> str:
        """The base model's id or folder."""
        return self.settings.name

    @property
    def param_map(self) -> list[str]:
        """The names of the parameters that the GRADIEND is over, those without a kept entry left out."""
        return [name for name, size in self.space.sizes.items() if size]

    def save_pretrained(self, folder: str | Path, *, format: Format = "gradiend") -> None:
        """Write the GRADIEND's folder, which names its base model; "aieng-lab" is the format of the paper's package."""
        self.gradiend.save_pretrained(folder, format=format)

    def gradients(self, text: str, label: str) -> Tensor:
        """The gradient `[input_dim]` of the loss of the token `label` at the text's slot, on the CPU.

        Raises `GradiendError` on a text without exactly one slot, one that is too long, or an unknown label.
        """
        (slot,) = self._base.encode([text], [label], [0])
        if slot is None:
            raise GradiendError(f"'{text[:60]}': has no token before its slot, which this base model needs")
        return self._capture.example_rows([Pair(slot, slot)])[0][0].float().cpu()

    @torch.no_grad()
    def encode(
        self, text: str | Sequence[str], label: str | Sequence[str], alternative: str | Sequence[str] | None = None
    ) -> float | np.ndarray:
        """The encoded value of a text with a slot and the token there; of several texts an array `[texts]` float64.

        `label` is the token whose gradient is encoded: the factual one or, for the source `alternative`, the one that
        is not expected there. For the source `diff` the gradient of the `alternative` token is subtracted. Near +1 and
        -1 are the first and the second target class. Warns of a token that is several of the base model's, as a word
        is that it does not know.
        """
        texts, labels = _several("text", text), _several("label", label)
        others = labels if alternative is None else _several("alternative", alternative)
        if (alternative is not None) != (self.gradiend.config.source == "diff"):
            needed = "needs the alternative token, too" if alternative is None else "takes no alternative token"
            raise GradiendError(f"encode: the source '{self.gradiend.config.source}' {needed}")
        if not len(texts) == len(labels) == len(others) > 0:
            counted = f"{len(texts)} texts, {len(labels)} labels" + (
                f", {len(others)} alternatives" if alternative else ""
            )
            raise GradiendError(f"encode: {counted}: give one label for each text, and at least one text")
        self._warn_of_pieces({*labels, *others})
        rows = torch.stack([self._row(*one) for one in zip(texts, labels, others, strict=True)])
        latents = self.gradiend.encode(rows.to(self.gradiend.encoder.weight.device))
        encoded = latents[:, self.gradiend.config.latent].double().cpu().numpy()
        return float(encoded[0]) if isinstance(text, str) else encoded

    def feature_factor(self, target_class: str, *, increase: bool = True) -> float:
        """The feature factor that strengthens a target class, or weakens it; another class is a `GradiendError`."""
        config = self.gradiend.config
        if target_class not in config.target_classes:
            raise GradiendError(f"target_class: '{target_class}' is not one of {list(config.target_classes)}")
        index = config.target_classes.index(target_class)
        normal = config.normalized or config.supervised is not None or (config.correlation or 0) >= 0
        factor = strengthening_factor(index, config.source, config.target)
        return factor if normal == increase else -factor

    @contextmanager
    def rewritten(self, learning_rate: float, feature_factor: float) -> Iterator[PreTrainedModel]:
        """Within: the base model plus `learning_rate * decoder(feature_factor)`; after: as it was, bit for bit."""
        rewriter = Rewriter(self._base.parameters(), self.gradiend.space)
        with rewriter.rewritten(self.gradiend.update(feature_factor), learning_rate):
            yield self.base_model

    def rewrite_base_model(self, learning_rate: float, feature_factor: float) -> PreTrainedModel:
        """A rewritten copy of the base model; the base model itself stays as it is."""
        with self.rewritten(learning_rate, feature_factor) as model:
            return copy.deepcopy(model)

    def _warn_of_pieces(self, labels: Collection[str]) -> None:
        for label in sorted(labels):
            pieces = self.tokenizer.convert_ids_to_tokens(list(self._base.target_ids(label)))
            if len(pieces) > 1:
                what = f"'{label}' is {len(pieces)} tokens of the base model ({' '.join(pieces)})"
                warnings.warn(
                    f"encode: {what}: if you have not trained with such labels, use one that it knows whole",
                    stacklevel=4,
                )

    def _row(self, text: str, label: str, alternative: str) -> Tensor:
        factual = self.gradients(text, label)
        if self.gradiend.config.source != "diff":
            return factual
        return source_of(factual, self.gradients(text, alternative), "diff")

    @cached_property
    def _capture(self) -> Capture:
        return Capture(self._base, self.gradiend.space)


def base_settings(
    name: str,
    *,
    revision: str | None = None,
    torch_dtype: str = "float32",
    trust_remote_code: bool = False,
    prediction_objective: str = "auto",
) -> BaseModel:
    """How a base model is loaded, with the digest of its folder."""
    return BaseModel(
        name=name,
        revision=revision,
        trust_remote_code=trust_remote_code,
        torch_dtype=str(torch_dtype).removeprefix("torch."),
        prediction_objective=prediction_objective,
        mlm_head=None,
        mask_placeholder="[MASK]",
        too_long="error",
        model_digest=digest_files(model_files(name, revision)),
    )


def _require_gradiend(folder: Path) -> None:
    if not folder.is_dir():
        raise GradiendError(f"{folder}: no such folder: give that of a GRADIEND, such as experiment_dir/model")
    if not (folder / "space.safetensors").exists() and not is_checkpoint(folder):
        raise GradiendError(f"{folder}: no GRADIEND is in it: give the folder of one, such as experiment_dir/model")


def _several(name: str, value: str | Sequence[str]) -> list[str]:
    found = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    for one in found:
        if not isinstance(one, str):
            raise GradiendError(f"encode: {name}: {one!r} is wrong: should be a text, or a list of texts")
    return found
