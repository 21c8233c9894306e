"""The state of an unfinished job, kept so that a rerun goes on where the job was killed."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gradiend.files import replacing

R = TypeVar("R")
LOG = logging.getLogger(__name__)
SECONDS = 60.0  # of work that a killed job may lose
LARGEST_SHARE = 0.05  # of the time may go into saving


@dataclass(frozen=True)
class State:
    """What a job needs to go on: tensors, and values that JSON holds exactly."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class Partial:
    """A job's state in one safetensors file, which holds for jobs of the same `identity` only.

    The identity is a digest of everything that determines the job's result: settings, inputs, code, seed.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path, self._identity = path, identity
        self._saved, self._took = time.monotonic(), 0.0

    @property
    def usable(self) -> bool:
        """Whether there is the state of an earlier job of the same identity; why not, where there is any, is logged."""
        return self._read(lambda file, values: True) is True

    def load(self) -> State | None:
        """The state of an earlier job of the same identity, None where there is no usable one."""
        return self._read(
            lambda file, values: State({name: file.get_tensor(name) for name in file.keys()}, values)  # noqa: SIM118
        )

    def _read(self, reader: Callable[[Any, dict[str, Any]], R]) -> R | None:
        if not self._path.exists():
            return None
        try:
            with safe_open(self._path, framework="pt") as file:
                about = json.loads((file.metadata() or {}).get("partial", "{}"))
                if about.get("identity") == self._identity:
                    return reader(file, about["values"])
                LOG.info("%s: is of other settings, inputs or code: begun anew", self._path)
        except (OSError, SafetensorError, ValueError) as error:
            LOG.warning("%s: not a readable state (%s): begun anew", self._path, error)
        return None

    @property
    def due(self) -> bool:
        """Whether so much work was done since the last save that it should be saved."""
        return time.monotonic() - self._saved >= max(SECONDS, self._took / LARGEST_SHARE)

    def save(self, state: State) -> None:
        """Replace the saved state."""
        began = time.monotonic()
        about = json.dumps({"identity": self._identity, "values": state.values}, sort_keys=True)
        with replacing(self._path) as temporary:
            save_file(
                {name: tensor.contiguous() for name, tensor in state.tensors.items()}, temporary, {"partial": about}
            )
        self._saved = time.monotonic()
        self._took = self._saved - began

    def clear(self) -> None:
        """Remove the state, and what a killed save left of it."""
        for path in (self._path, *self._path.parent.glob(f".{self._path.name}.*")):
            path.unlink(missing_ok=True)
