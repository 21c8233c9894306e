"""What a long job has measured, kept so that a rerun measures only the rest."""

import logging
from collections.abc import Callable

import numpy as np
import torch

from gradiend.interruption import deferred
from gradiend.partial import Partial, State

LOG = logging.getLogger(__name__)


class Measurements:
    """Arrays by name, each measured once; `partial` has those of an earlier try, and keeps these.

    A signal that asks for the end waits until what is being measured is saved.
    """

    def __init__(self, partial: Partial | None = None) -> None:
        self._partial = partial
        state = partial.load() if partial else None
        self._found = state.tensors if state else {}
        if state:
            LOG.info("goes on after %d measurements", len(self._found))

    def __call__(self, name: str, measure: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of that name, from `measure` where there is none yet."""
        if name not in self._found:
            with deferred() as signals:
                self._found[name] = torch.from_numpy(measure())
                if self._partial and (self._partial.due or signals.wants_state):
                    self._partial.save(State(self._found, {}))
        return self._found[name].numpy()

    def finish(self) -> None:
        """The job is done: nothing has to be gone on with."""
        if self._partial:
            self._partial.clear()
