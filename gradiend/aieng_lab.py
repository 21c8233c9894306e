"""GRADIENDs in the format of the paper's own package (`gradiend` on PyPI, by aieng-lab): read and written.

Such a folder has a config.json with an `architecture` and the `mapping` of parameters, gradiend_context.json, and the
weights and kept entries in safetensors files. What is in pickle files is never read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gradiend.errors import GradiendError
from gradiend.files import read_json, replacing, write_json
from gradiend.space import ParameterSpace

UNNAMED = ("+1", "-1")  # the target classes of a folder that does not name them
INDICES = "mapping_indices.safetensors"
FILES = (
    "config.json",
    "gradiend_context.json",
    "model.safetensors",
    INDICES,
    "mapping_masks.safetensors",
    "training.json",
)
LAYERS = {"encoder": "encoder.0.linear", "decoder": "decoder.0.linear"}


@dataclass(frozen=True)
class Checkpoint:
    """What such a folder says: the space, the weights by our names (float32), and the fields of our config.

    `encoder.weight` is `[latent_dim, input_dim]`, `decoder.weight` `[input_dim, latent_dim]`, in both formats.
    """

    space: ParameterSpace
    weights: Mapping[str, Tensor]
    config: Mapping[str, Any]


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder's config.json is of that format."""
    try:
        return "architecture" in read_json(folder / "config.json")
    except GradiendError:
        return False


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a folder of that format.

    Raises `GradiendError` that names the file: something is missing, in a pickle file, or of a kind that is unknown.
    """
    content = read_json(folder / "config.json")
    try:
        shapes, kept = _mapping(folder, content["mapping"])
        about = {"base_model": content["metadata"].get("base_model")}
        space = ParameterSpace(shapes, {name: _ascending(own, shapes[name]) for name, own in kept.items()}, about)
        config = _config(folder, content["architecture"], about)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise GradiendError(f"{folder / 'config.json'}: not the config of a GRADIEND ({error!r})") from error
    weights = _weights(folder, config["bias_decoder"])
    return Checkpoint(space, _ordered(weights, space, kept), config)


def write_checkpoint(
    folder: Path, space: ParameterSpace, weights: Mapping[str, Tensor], config: Mapping[str, Any]
) -> None:
    """Write a folder of that format: of every parameter all entries, or the indices of the kept ones.

    Raises `GradiendError` where the folder holds anything else, and for the encoder activation `id`, which means
    something else there.
    """
    if config["activation_encoder"] == "id":
        raise GradiendError("activation_encoder: 'id' is a layer normalisation in the format of aieng-lab: use another")
    _require_replaceable(folder)
    entries, indices = _entries(space)
    layers = {_foreign(name): tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with replacing(folder) as temporary:
        temporary.mkdir()
        save_file(layers, temporary / "model.safetensors")
        if indices:
            save_file(indices, temporary / INDICES)
        write_json(temporary / "config.json", _content(space, config, entries, files=bool(indices)))
        write_json(temporary / "gradiend_context.json", _context(config))


def _mapping(folder: Path, mapping: Mapping[str, Any]) -> tuple[dict[str, tuple[int, ...]], dict[str, Tensor | None]]:
    """Shapes and kept flat indices (None: all) by parameter, in the order of the encoder's input."""
    files = {kind: _tensors(folder, mapping.get(f"{kind}_file")) for kind in ("indices", "masks")}
    shapes: dict[str, tuple[int, ...]] = {}
    kept: dict[str, Tensor | None] = {}
    for entry in mapping["param_map"]:
        name, shape, kind = entry["name"], tuple(entry["shape"]), entry["repr"]
        shapes[name] = shape
        if kind == "all":
            kept[name] = None
        elif kind == "indices":
            kept[name] = files["indices"][entry["key"]].reshape(-1).long()
        elif kind == "mask":
            kept[name] = files["masks"][entry["key"]].reshape(-1).nonzero()[:, 0]
        else:
            raise ValueError(f"unknown representation {kind!r} of {name}")
    return shapes, kept


def _ascending(indices: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    return None if indices is None or len(indices) == math.prod(shape) else indices.sort().values


def _tensors(folder: Path, name: str | None) -> dict[str, Tensor]:
    return {} if name is None else _load(folder / Path(name).name)


def _load(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file."""
    if path.suffix != ".safetensors":
        raise GradiendError(f"{path}: is a pickle file, which may run any code: save it with safetensors")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise GradiendError(f"{path}: not a readable safetensors file ({error})") from error


def _weights(folder: Path, bias_decoder: bool) -> dict[str, Tensor]:
    """The weights by our names; earlier versions of that package name their layers without `linear`."""
    path = folder / "model.safetensors"
    pickled = folder / "pytorch_model.bin"
    found = _load(pickled if pickled.exists() and not path.exists() else path)
    bare = {name.replace(".0.linear.", ".0."): tensor for name, tensor in found.items()}
    wanted = ["encoder.weight", "encoder.bias", "decoder.weight", *(["decoder.bias"] if bias_decoder else [])]
    missing = [name for name in wanted if name.replace(".", ".0.", 1) not in bare]
    if missing or len(bare) != len(wanted):
        raise GradiendError(
            f"{path}: has the tensors {sorted(found)}: should be those of {' and '.join(LAYERS.values())}"
        )
    return {name: bare[name.replace(".", ".0.", 1)].float() for name in wanted}


def _ordered(
    weights: Mapping[str, Tensor], space: ParameterSpace, kept: Mapping[str, Tensor | None]
) -> dict[str, Tensor]:
    """The weights with every parameter's entries by ascending index, as our spaces have them."""
    positions = torch.arange(space.input_dim)
    for name, where in space.slices.items():
        own = kept[name]
        if own is not None:
            positions[where] = where.start + own.argsort()
    inputs = {"encoder.weight": 1, "decoder.weight": 0, "decoder.bias": 0}
    for name, dimension in inputs.items():
        size = weights[name].shape[dimension] if name in weights else space.input_dim
        if size != space.input_dim:
            raise GradiendError(f"{name} has {size} entries, the mapping {space.input_dim}: files of two GRADIENDs")
    return {n: t.index_select(inputs[n], positions) if n in inputs else t for n, t in weights.items()}


def _config(folder: Path, architecture: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    context = read_json(folder / "gradiend_context.json")
    encoder = str(architecture.get("activation_encoder", "tanh")).lower()
    if encoder == "id":
        raise ValueError("the encoder activation 'id' is a layer normalisation there, which this package has not")
    directions = context.get("feature_class_encoding_direction") or {}
    classes = tuple(_class_of(directions, sign) or unnamed for sign, unnamed in zip((1, -1), UNNAMED, strict=True))
    return {
        "target_classes": classes,
        "source": _trained_source(folder) or context["source"],
        "target": context["target"],
        "latent_dim": int(architecture["latent_dim"]),
        "activation_encoder": encoder,
        "activation_decoder": architecture.get("activation_decoder", "id") or encoder,
        "bias_decoder": bool(architecture.get("bias_decoder", True)),
        "normalized": True,
        "made_by": {"version": "of aieng-lab", **about},
    }


def _class_of(directions: Mapping[str, float], sign: int) -> str | None:
    return next((name for name, direction in directions.items() if direction == sign), None)


def _trained_source(folder: Path) -> str | None:
    """The source that the training says; the context of early versions had their default in its place."""
    path = folder / "training.json"
    content = read_json(path) if path.exists() else {}
    arguments = content.get("training_args")
    found = arguments.get("source") if isinstance(arguments, dict) else None
    return found if found in ("factual", "alternative", "diff") else None


def _entries(space: ParameterSpace) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """The mapping's entries, and the indices of the parameters that are kept in part."""
    entries, indices = [], {}
    for number, (name, shape) in enumerate(space.shapes.items()):
        size, kept = math.prod(shape), space.sizes[name]
        entry = {"name": name, "shape": list(shape), "repr": "all", "num_selected": kept}
        if kept < size:
            entry |= {"repr": "indices", "key": f"L{number}"}
            indices[f"L{number}"] = space.indices(name).to(torch.int32 if size < 2**31 else torch.int64)
        entries.append(entry)
    return entries, indices


def _content(
    space: ParameterSpace, config: Mapping[str, Any], entries: list[dict[str, Any]], *, files: bool
) -> dict[str, Any]:
    kinds = {entry["repr"] for entry in entries}
    architecture = {name: config[name] for name in ("latent_dim", "activation_encoder", "activation_decoder")}
    return {
        "format_version": 0,
        "architecture": {
            **architecture,
            "input_dim": space.input_dim,
            "bias_decoder": config["bias_decoder"],
            "torch_dtype": "float32",
        },
        "mapping": {
            "mode": kinds.pop() if len(kinds) == 1 else "mixed",
            "param_map": entries,
            **({"indices_file": INDICES} if files else {}),
        },
        "metadata": {"base_model": space.about.get("base_model")},
    }


def _context(config: Mapping[str, Any]) -> dict[str, Any]:
    """Source, target, and the class that is encoded to +1: the second where the first is encoded to -1."""
    flipped = not config["normalized"] and (config["correlation"] or 0) < 0
    first, second = config["target_classes"]
    directions = {first: -1 if flipped else 1, second: 1 if flipped else -1}
    return {
        "source": config["source"],
        "target": config["target"],
        "feature_class_encoding_direction": directions,
    }


def _foreign(name: str) -> str:
    layer, parameter = name.split(".")
    return f"{LAYERS[layer]}.{parameter}"


def _require_replaceable(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    own = FILES if is_checkpoint(folder) else ()
    for name in names:
        if name not in own:
            raise GradiendError(f"{folder}: holds '{name}', which is not of such a GRADIEND: give a folder of its own")
