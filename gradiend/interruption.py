"""Signals that wait until a loop can save what it has."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Signals:
    """What came while it was deferred; `save_now` asks for a saved state and no end (SIGUSR1)."""

    stopping: int | None = None
    save_now: bool = False
    _handlers: dict[int, Any] = field(default_factory=dict)

    @property
    def wants_state(self) -> bool:
        """Whether a state should be saved at once."""
        return self.save_now or self.stopping is not None

    def obey(self) -> None:
        """Do what a signal that asked for the end does without deferral; to be called once the state is saved."""
        self.save_now = False
        if self.stopping is not None:
            _restore(self._handlers)
            number, self.stopping = self.stopping, None
            os.kill(os.getpid(), number)


@contextmanager
def deferred() -> Iterator[Signals]:
    """Within, SIGINT, SIGTERM and SIGUSR1 are noted only; a second SIGINT or SIGTERM acts at once.

    One that was not obeyed within acts at the end, be it that of an error. Outside the main thread nothing is deferred,
    for Python handles signals only there.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def stop(number: int, frame: object) -> None:
        signals.stopping = number
        _restore(signals._handlers)

    def save(number: int, frame: object) -> None:
        signals.save_now = True

    handlers = dict.fromkeys(STOPPING, stop) | {signal.SIGUSR1: save}
    signals._handlers = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield signals
    finally:
        _restore(signals._handlers)
        signals.obey()


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
