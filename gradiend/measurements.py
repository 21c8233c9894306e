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

    `others` have those that other jobs have measured. A signal that asks for the end waits until what is being
    measured is saved.
    """

    def __init__(self, partial: Partial | None = None, *others: Partial) -> None:
        self._partial = partial
        self._found: dict[str, torch.Tensor] = {}
        for source in (*others, *([partial] if partial else [])):
            state = source.load()
            self._found |= state.tensors if state else {}
        if self._found:
            LOG.info("goes on after %d measurements", len(self._found))

    def __call__(self, name: str, measure: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of that name, from `measure` where there is none yet."""
        if name not in self._found:
            with deferred() as signals:
                self._found[name] = torch.from_numpy(measure())
                if self._partial and (self._partial.due or signals.wants_state):
                    self._partial.save(State(self._found, {}))
        return self._found[name].numpy()

    def finish(self, result: Partial | None = None) -> None:
        """The job is done: nothing has to be gone on with. `result` takes what was measured to other jobs."""
        if result:
            result.save(State(self._found, {}))
        if self._partial:
            self._partial.clear()
