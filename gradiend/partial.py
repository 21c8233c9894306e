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
from gradiend.files import digest_bytes, replacing
from gradiend.tensor_files import digest_tensors

LOG = logging.getLogger(__name__)
SECONDS = 60.0  # of work that a killed job may lose
LARGEST_SHARE = 0.05  # of the time may go into saving
PART, OF_PART = "-part.safetensors", " part "  # in the name of a part's state, and in its identity


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
        return Partial(self._path.with_name(f"{self._path.stem}{PART}"), f"{self.identity}{OF_PART}{name}")

    def is_usable(self) -> bool:
        """Whether there is the state of an earlier job of the same identity.

        Any other is removed, and the log says why. Raises `GradiendError` where a folder is in its place.
        """
        if self._path.is_dir():
            raise GradiendError(f"{self._path}: is a folder, but the state of a job is to be kept there")
        if not self._path.exists():
            return False
        reason = self._reason_against()
        if reason:
            LOG.warning("%s: %s: begun anew", self._path, reason)
        if reason is not None:
            self.clear()
        return reason is None

    def load(self) -> State | None:
        """The state of an earlier job of the same identity, None where there is none."""
        if not self.is_usable():
            return None
        with safe_open(self._path, framework="pt") as file:
            return State(_tensors(file), _about(file)["values"])

    def _reason_against(self) -> str | None:
        """Why a state is not used; an empty text where it is of another part of the same job."""
        try:
            with safe_open(self._path, framework="pt") as file:
                about = _about(file)
                if (found := str(about.get("identity"))) != self.identity:
                    parts = [one.partition(OF_PART)[0] for one in (found, self.identity)]
                    return "" if parts[0] == parts[1] else "is of other settings, inputs or code"
                same = about["digest"] == _digest(_tensors(file), about["values"])
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            return f"not a readable state ({error})"
        return None if same else "does not match its digest"

    @property
    def due(self) -> bool:
        """Whether so much work was done since the last save that it should be saved."""
        return time.monotonic() - self._saved >= max(SECONDS, self._took / LARGEST_SHARE)

    def save(self, state: State) -> None:
        """Replace the saved state."""
        began = time.monotonic()
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
        content = {"identity": self.identity, "values": state.values, "digest": _digest(tensors, state.values)}
        with replacing(self._path) as temporary:
            save_file(tensors, temporary, {"partial": json.dumps(content, sort_keys=True)})
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


def _tensors(file: Any) -> dict[str, Tensor]:
    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _digest(tensors: dict[str, Tensor], values: dict[str, Any]) -> str:
    return digest_bytes(digest_tensors(tensors).encode(), json.dumps(values, sort_keys=True).encode())[:16]
