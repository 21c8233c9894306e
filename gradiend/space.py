"""ParameterSpace: named parameters <-> one flat index space. The only module that knows parameter names."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gradiend.errors import GradiendError, did_you_mean
from gradiend.files import digest_bytes, replacing

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ParameterSpace:
    """The ordered, flat index space over the kept entries of some named parameters.

    A vector in the space is `[input_dim]`: the parameters in model order, of each its kept entries by
    ascending flat index. `kept` maps a name to those indices (int64, sorted), or to None for all of them.
    `about` says which base model the names belong to, and which of them are its embeddings.
    """

    shapes: Mapping[str, Shape]
    kept: Mapping[str, Tensor | None]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, parameters: Mapping[str, Tensor], about: Mapping[str, Any] | None = None) -> "ParameterSpace":
        """The space of all entries of the given parameters."""
        shapes = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
        return cls(shapes, dict.fromkeys(shapes), about or {})

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Number of kept entries by parameter."""
        return {
            name: math.prod(shape) if (kept := self.kept[name]) is None else len(kept)
            for name, shape in self.shapes.items()
        }

    @property
    def input_dim(self) -> int:
        """Number of kept entries."""
        return sum(self.sizes.values())

    @property
    def base_model(self) -> tuple[str, str, str]:
        """Name, revision and content digest of the base model, as far as known: equal for comparable spaces."""
        name, revision, digest = (self.about.get(key) or "" for key in ("base_model", "revision", "base_model_digest"))
        return str(name), str(revision), str(digest)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each parameter's kept entries lie in a vector."""
        result, start = {}, 0
        for name, size in self.sizes.items():
            result[name] = slice(start, start + size)
            start += size
        return result

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names, shapes and kept entries."""
        indices = (
            b"all" if self.sizes[name] == math.prod(shape) else self.indices(name).numpy().tobytes()
            for name, shape in self.shapes.items()
        )
        return digest_bytes(json.dumps([[n, list(s)] for n, s in self.shapes.items()]).encode(), *indices)

    def indices(self, name: str) -> Tensor:
        """Sorted flat indices of the kept entries of one parameter, int64."""
        kept = self.kept[name]
        return torch.arange(math.prod(self.shapes[name])) if kept is None else kept

    def require_in(self, tensors: Mapping[str, Tensor], owner: str) -> None:
        """Raise `GradiendError` unless `tensors` has all parameters of the space, each of the same shape."""
        for name, shape in self.shapes.items():
            found = tuple(tensors[name].shape) if name in tensors else "missing"
            if found != tuple(shape):
                raise GradiendError(
                    f"{owner}: parameter '{name}' is {found}, in the kept space it is {tuple(shape)}: "
                    "the space is of another base model; run the stages before again"
                )

    def select(self, positions: Tensor) -> "ParameterSpace":
        """The space of the entries at these sorted positions `[k]` of a vector, all parameters still named."""
        kept: dict[str, Tensor | None] = {}
        for name, where in self.slices.items():
            low, high = torch.searchsorted(positions, torch.tensor([where.start, where.stop]))
            inside = positions[low:high] - where.start
            if len(inside) == math.prod(self.shapes[name]):
                kept[name] = None
            else:
                kept[name] = inside.clone() if (old := self.kept[name]) is None else old[inside]
        return ParameterSpace(self.shapes, kept, self.about)

    def gather(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The kept entries of the named tensors, each of its parameter's shape, as one vector `[input_dim]`."""
        parts = [self._pick(tensors[name], name) for name in self.shapes]
        return torch.cat([part.to(parts[0].device) for part in parts])

    def write_(self, tensors: Mapping[str, Tensor], vector: Tensor) -> None:
        """Set the kept entries of the named tensors to the values of a vector `[input_dim]`, in place."""
        for name, where in self.slices.items():
            flat, kept = _flat(tensors[name]), self.kept[name]
            part = vector[where].to(flat)
            if kept is None:
                flat.copy_(part)
            else:
                flat[kept.to(flat.device)] = part

    def union(self, other: "ParameterSpace") -> "ParameterSpace":
        """The space of the entries that are in this one, in the other, or in both.

        Parameters that only the other names come last. Raises `GradiendError` where a parameter's shapes differ.
        """
        for name in self.shapes.keys() & other.shapes.keys():
            if self.shapes[name] != other.shapes[name]:
                both = f"{self.shapes[name]} in one space and {other.shapes[name]} in the other"
                raise GradiendError(f"parameter '{name}' is {both}: they are of different base models")
        shapes = {**self.shapes, **other.shapes}
        kept: dict[str, Tensor | None] = {}
        for name, shape in shapes.items():
            own = [space.indices(name) for space in (self, other) if name in space.shapes]
            whole = any(len(indices) == math.prod(shape) for indices in own)
            kept[name] = None if whole else torch.unique(torch.cat(own))  # sorted
        about = {name: value for name, value in self.about.items() if other.about.get(name) == value}
        return ParameterSpace(shapes, kept, about)

    def positions_in(self, larger: "ParameterSpace") -> Tensor:
        """Where this space's entries lie in a vector of a larger space, `[input_dim]` int64.

        Raises `GradiendError` if an entry is not in the larger space.
        """
        parts = []
        for name, where in self.slices.items():
            if where.start == where.stop:
                continue
            if name not in larger.shapes or larger.shapes[name] != self.shapes[name]:
                raise GradiendError(f"parameter '{name}' {self.shapes[name]} is not in the larger space")
            mine, theirs = self.indices(name), larger.indices(name)
            found = torch.searchsorted(theirs, mine)
            if len(theirs) < len(mine) or not torch.equal(theirs[found.clamp(max=len(theirs) - 1)], mine):
                raise GradiendError(f"parameter '{name}': not all kept entries are in the larger space")
            parts.append(found + larger.slices[name].start)
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)

    def outside(self, names: Iterable[str]) -> Tensor:
        """`[input_dim]` bool: the entries that belong to none of the named parameters."""
        result = torch.ones(self.input_dim, dtype=torch.bool)
        for name in set(names) & set(self.slices):
            result[self.slices[name]] = False
        return result

    def save(self, path: Path) -> None:
        """Write a safetensors file: sorted int64 indices by parameter; shapes, order and digest in the metadata."""
        tensors = {name: self.indices(name).contiguous() for name in self.shapes}
        shapes = [[name, list(shape)] for name, shape in self.shapes.items()]
        content = {"shapes": shapes, "digest": self.digest, "about": dict(self.about)}
        metadata = {"space": json.dumps(content, sort_keys=True)}  # one key: safetensors writes several in any order
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata)

    @classmethod
    def load(cls, path: Path) -> "ParameterSpace":
        """Read what `save` wrote. Raises `GradiendError` if the file is missing, broken or not as it was."""
        try:
            with safe_open(path, framework="pt") as file:
                content = json.loads((file.metadata() or {})["space"])
                shapes = {name: tuple(shape) for name, shape in content["shapes"]}
                kept = {name: file.get_tensor(name) for name in shapes}
            about, digest = content["about"], content["digest"]
        except KeyError as error:
            raise GradiendError(f"{path}: not a space file, for it has no {error}; delete it and run again") from error
        except (OSError, SafetensorError, ValueError) as error:
            raise GradiendError(f"{path}: not a readable space file ({error}); delete it and run again") from error
        compact = {n: None if len(kept[n]) == math.prod(shape) else kept[n] for n, shape in shapes.items()}
        space = cls(shapes, compact, about)
        if space.digest != digest:
            raise GradiendError(f"{path}: its content does not match its digest; delete it and run again")
        return space

    def _pick(self, tensor: Tensor, name: str) -> Tensor:
        flat, kept = tensor.reshape(-1), self.kept[name]
        return flat if kept is None else flat[kept.to(flat.device)]


def union(spaces: Iterable[ParameterSpace]) -> ParameterSpace:
    """The space of the entries that are in any of the spaces; there must be one."""
    return reduce(ParameterSpace.union, spaces)


def select_parameters(names: Sequence[str], patterns: Sequence[str] | None) -> list[str]:
    """The names that match a pattern, in their order; `*` is any substring, `.` a dot, None selects all.

    Raises `GradiendError` for a pattern that matches nothing, with the names closest to it.
    """
    if patterns is None:
        return list(names)
    chosen: set[str] = set()
    for pattern in patterns:
        regex = re.compile(".*".join(re.escape(part) for part in pattern.split("*")))
        matching = [name for name in names if regex.fullmatch(name)]
        if not matching:
            raise GradiendError(f"params: '{pattern}' matches no backbone parameter{did_you_mean(pattern, names)}")
        chosen.update(matching)
    return [name for name in names if name in chosen]


def _flat(tensor: Tensor) -> Tensor:
    """A flat view that shares memory; `view` fails where a copy would be written to in vain."""
    return tensor.detach().view(-1)
