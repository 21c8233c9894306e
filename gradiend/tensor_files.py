"""Safetensors files that tell when a bit of theirs is wrong."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gradiend.errors import GradiendError

ABOUT = "gradiend"  # the one key of the metadata: safetensors writes several in any order


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any] | None = None) -> None:
    """Write tensors, what is `about` them (of JSON values), and a digest of all their values."""
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = {"about": dict(about or {}), "digest": digest_tensors(own)}
    save_file(own, path, {ABOUT: json.dumps(content, sort_keys=True)})


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_tensors` wrote; of another's file the tensors alone.

    Raises `GradiendError`, which says of what `kind` the file should be, where it is missing or broken, or its values
    are not those that were written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            content = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
    except FileNotFoundError as error:
        raise GradiendError(f"{path}: no such file") from error
    except (OSError, SafetensorError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise GradiendError(f"{path}: not a readable {kind} ({reason}); delete it and run again") from error
    if content and content.get("digest") != digest_tensors(tensors):
        raise GradiendError(f"{path}: its content does not match its digest; delete it and run again")
    return tensors, content.get("about", {})


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, 16 hex digits, of the names, types, shapes and bytes of tensors in main memory."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}\n".encode())
        found.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]
