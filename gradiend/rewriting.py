"""Rewriting: `theta' = theta + learning_rate * decoder(feature_factor)` on the kept entries, nothing else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gradiend.space import ParameterSpace


class Rewriter:
    """Rewrites a base model's parameters in place and restores them bit for bit; tied weights stay tied.

    `parameters` are the model's by name, `space` that of the GRADIEND whose updates are applied.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], space: ParameterSpace) -> None:
        space.require_in(parameters, "base model")
        self._parameters, self._space = parameters, space
        self._saved = space.gather({name: parameters[name].detach() for name in space.shapes})
        self._wide = self._saved if self._saved.dtype == torch.float64 else self._saved.float()

    def apply(self, update: Tensor, learning_rate: float) -> None:
        """Set the kept entries to their original values plus `learning_rate` times the update `[input_dim]`."""
        self._space.write_(self._parameters, self._wide + learning_rate * update.to(self._wide))

    def restore(self) -> None:
        """Set the kept entries to their original values."""
        self._space.write_(self._parameters, self._saved)

    @contextmanager
    def rewritten(self, update: Tensor, learning_rate: float) -> Iterator[None]:
        """Within: the rewritten model; after: the base model, whatever happens."""
        try:
            self.apply(update, learning_rate)
            yield
        finally:
            self.restore()
