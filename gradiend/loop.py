"""The loop of a training: one optimiser step per row, evaluations, checkpoints, and states to go on from."""

import logging
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from gradiend.course import Course
from gradiend.errors import GradiendError
from gradiend.gradients.rows import Rows
from gradiend.interruption import deferred
from gradiend.labels import labels
from gradiend.model import GradiendModel
from gradiend.partial import Partial, State
from gradiend.schedule import Schedule
from gradiend.settings import Train
from gradiend.steps import Step

LOG = logging.getLogger(__name__)

SaveCheckpoint = Callable[[int, GradiendModel], None]


class Diverged(GradiendError):
    """A training whose loss or weights are no longer finite: its learning rate is too high."""


@dataclass(frozen=True)
class Loop:
    """All steps of one training; `partial` has the state of an earlier try, and keeps that of this one."""

    settings: Train
    schedule: Schedule
    rows: Rows
    seed: int
    rate: float
    model: GradiendModel
    course: Course
    save_checkpoint: SaveCheckpoint | None
    partial: Partial | None = None
    progress: bool = True

    @property
    def steps(self) -> int:
        """Optimiser steps of the training."""
        fixed = self.settings.max_steps
        return fixed if fixed > 0 else self.settings.num_train_epochs * self.schedule.steps_per_epoch

    def run(self) -> None:
        """Make all steps, those that an earlier run has made left out; the model and its course are then at the end."""
        signs = labels(self.rows.table, self.settings.source, self.settings.target_classes).tolist()
        step = Step(self.model, self.settings, self.rate)
        checkpoints = _Checkpoints(self.settings, self.course, self.model, self.save_checkpoint)
        done = self._begin(step, checkpoints)
        rows = islice(self.schedule.rows(self.seed), done, self.steps)
        with deferred() as signals, _bar(self.steps, self.seed, done, shown=self.progress) as bar:
            for number, row in enumerate(rows, start=done + 1):
                loss = step(*self.rows.pair(row), signs[row])
                self._note(number, row, loss)
                checkpoints.offer(number)
                bar.set_postfix_str(_shown(loss, self.course.latest.correlation), refresh=False)
                bar.update()
                if number < self.steps:
                    self._keep(number, step, checkpoints, at_once=signals.wants_state)
                signals.obey()
        for name, parameter in self.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise self._diverged(f"{name} is not finite after step {self.steps}", row)

    def _begin(self, step: Step, checkpoints: "_Checkpoints") -> int:
        """The number of steps that were done before: those of the partial state, put back here, or none."""
        state = self.partial.load() if self.partial else None
        if state is None:
            self.course.record(0, 0.0)
            return 0
        with torch.no_grad():
            for name, tensor in self._tensors(step).items():
                tensor.copy_(state.tensors[name])
        self.course.restore(state)
        checkpoints.saved = state.values["checkpoint"]
        done: int = state.values["step"]
        LOG.info("seed %d: goes on after step %d of %d", self.seed, done, self.steps)
        return done

    def _keep(self, number: int, step: Step, checkpoints: "_Checkpoints", *, at_once: bool) -> None:
        if self.partial and (at_once or self.partial.due):
            self.partial.save(self._state(number, step, checkpoints))

    def _state(self, number: int, step: Step, checkpoints: "_Checkpoints") -> State:
        course = self.course.state()
        values = course.values | {"step": number, "checkpoint": checkpoints.saved}
        return State(course.tensors | self._tensors(step), values)

    def _tensors(self, step: Step) -> dict[str, Tensor]:
        weights = {f"model.{name}": tensor.detach() for name, tensor in self.model.named_parameters()}
        return weights | {f"optimiser.{name}": tensor for name, tensor in step.optimiser.state.items()}

    def _note(self, number: int, row: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss} at step {number}", row)
        self.course.add(loss)
        if number % self.settings.eval_steps == 0 or number == self.steps:
            self.course.record(number, number / self.schedule.steps_per_epoch)

    def _diverged(self, what: str, row: int) -> Diverged:
        line = self.rows.table.iloc[row]
        transition = f"{line['factual_class']} -> {line['alternative_class']}"
        where = f"training, seed {self.seed}: {what}, training row {row} ({transition})"
        decay = self.settings.weight_decay
        also = f" or weight_decay (it is {decay:g})" if decay > 1 else ""
        return Diverged(f"{where}: lower learning_rate (it is {self.rate:g}){also}")


class _Checkpoints:
    """Saves the model every `save_steps`; with `save_only_best` only where the latest evaluation is the best yet."""

    def __init__(self, settings: Train, course: Course, model: GradiendModel, save: SaveCheckpoint | None) -> None:
        self._settings, self._course, self._model = settings, course, model
        self._save = save if settings.save_strategy == "steps" else None
        self.saved: float | None = None

    def offer(self, step: int) -> None:
        if self._save is None or step % self._settings.save_steps:
            return
        score = self._course.score(self._course.latest)
        if self._settings.save_only_best and self.saved is not None and (score is None or score <= self.saved):
            return
        self.saved = score
        self._save(step, self._model)


def _bar(steps: int, seed: int, done: int, *, shown: bool) -> "tqdm[Any]":
    interval = 0.1 if sys.stderr.isatty() else 5.0
    name = f"train seed {seed}"
    return tqdm(
        total=steps, initial=done, desc=name, unit="step", mininterval=interval, file=sys.stderr, disable=not shown
    )


def _shown(loss: float, correlation: float | None) -> str:
    return f"loss {loss:.3g}" + ("" if correlation is None else f", correlation {correlation:.3f}")
