"""The state of an unfinished job, kept so that a rerun goes on where the job was killed."""

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gradiend.errors import GradiendError
from gradiend.files import replacing

LOG = logging.getLogger(__name__)
SECONDS = 60.0  # of work that a killed job may lose
LARGEST_SHARE = 0.05  # of the time may go into saving
PART = "-part.safetensors"  # what the name of a part's state ends with


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
        self._path, self.identity = path, identity
        self._saved, self._took = time.monotonic(), 0.0

    def part(self, name: str) -> "Partial":
        """The state of one part of the job after another; they share a file, which `clear` removes, too."""
        return Partial(self._path.with_name(f"{self._path.stem}{PART}"), f"{self.identity}-{name}")

    def is_usable(self) -> bool:
        """Whether there is the state of an earlier job of the same identity.

        Any other is removed, and the log says why. Raises `GradiendError` where a folder is in its place.
        """
        if self._path.is_dir():
            raise GradiendError(f"{self._path}: is a folder, but the state of a job is to be kept there")
        if not self._path.exists():
            return False
        reason = self._reason_against()
        if reason is not None:
            LOG.warning("%s: %s: begun anew", self._path, reason)
            self.clear()
        return reason is None

    def load(self) -> State | None:
        """The state of an earlier job of the same identity, None where there is none."""
        if not self.is_usable():
            return None
        with safe_open(self._path, framework="pt") as file:
            return State({name: file.get_tensor(name) for name in file.keys()}, _about(file)["values"])  # noqa: SIM118

    def _reason_against(self) -> str | None:
        try:
            with safe_open(self._path, framework="pt") as file:
                same = _about(file).get("identity") == self.identity
        except (OSError, SafetensorError, ValueError) as error:
            return f"not a readable state ({error})"
        return None if same else "is of other settings, inputs or code"

    @property
    def due(self) -> bool:
        """Whether so much work was done since the last save that it should be saved."""
        return time.monotonic() - self._saved >= max(SECONDS, self._took / LARGEST_SHARE)

    def save(self, state: State) -> None:
        """Replace the saved state."""
        began = time.monotonic()
        about = json.dumps({"identity": self.identity, "values": state.values}, sort_keys=True)
        with replacing(self._path) as temporary:
            save_file(
                {name: tensor.contiguous() for name, tensor in state.tensors.items()}, temporary, {"partial": about}
            )
        self._saved = time.monotonic()
        self._took = self._saved - began

    def clear(self) -> None:
        """Remove the state, that of a part, and what a killed save left of them."""
        names = (self._path.name, f"{self._path.stem}{PART}")
        for path in (self._path.parent / name for name in names):
            for own in (path, *path.parent.glob(f".{path.name}.*")):
                own.unlink(missing_ok=True)


def _about(file: Any) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((file.metadata() or {}).get("partial", "{}"))
    return about
