"""Kills at a chosen moment, within the process of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import gradiend.partial
from gradiend.gradients.live import LiveRows
from gradiend.partial import Partial, State


class Killed(BaseException):
    """Stands for the end of the process."""


@contextmanager
def killed_after(saves: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within, a job saves its state whenever it may, and ends after so many times."""
    save, left = Partial.save, iter(range(saves - 1, -1, -1))

    def save_and_die(self: Partial, state: State) -> None:
        save(self, state)
        if next(left) == 0:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(gradiend.partial, "SECONDS", 0.0)
        patch.setattr(gradiend.partial, "LARGEST_SHARE", float("inf"))
        patch.setattr(Partial, "save", save_and_die)
        with pytest.raises(Killed):
            yield


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[int]]]:
    """The chunks whose rows are computed within."""
    chunks: list[list[int]] = []
    blocks = LiveRows.blocks

    def noted(self: LiveRows, rows: Any) -> Any:
        chunks.append(list(rows))
        return blocks(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(LiveRows, "blocks", noted)
        yield chunks
