"""Gradient rows in a parameter space, from activations alone: no weight gradient is ever formed.

The base model is frozen; hooks keep what goes into each module and receive the gradient of what comes
out, and each parameter's kept entries follow from the two (`sites`). One forward pass serves the factual and
the alternative token wherever their input is the same.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from gradiend.backbones.slot_model import SlotModel
from gradiend.backbones.slots import Batch, Slot, losses
from gradiend.errors import GradiendError
from gradiend.gradients.autograd import kept_gradients, kept_of
from gradiend.gradients.sites import Site, site_for
from gradiend.space import ParameterSpace

LOG = logging.getLogger(__name__)
CHECK_RELATIVE = 1e-3  # of a parameter's gradient norm; float32 rounding is far below, a wrong rule far above
CHECK_ABSOLUTE = 1e-6  # of the whole gradient's norm, for parameters whose true gradient is 0


@dataclass(frozen=True)
class Pair:
    """One example: its text with the factual and with the alternative token at the slot."""

    factual: Slot
    alternative: Slot


@dataclass
class _Pass:
    """Where the backward pass in progress puts its rows; None while no row is wanted.

    `roots` are the outputs where the graph begins; `unfit` the parameters whose module was called with something
    else than one input per example.
    """

    batch: Batch
    per_example: bool
    roots: list[Tensor] = field(default_factory=list)
    unfit: set[str] = field(default_factory=set)
    rows: Tensor | None = None


class Capture:
    """Computes rows of `space` for a base model. Make one per base model and space: it checks itself once.

    Parameters of modules that have no rule in `sites`, or that are used in a way the rule does not see, come
    from plain autograd. Where there are such, or the model's output depends on padding, examples go through it one
    at a time.
    """

    def __init__(self, base: SlotModel, space: ParameterSpace) -> None:
        self.base, self.space = base, space
        self.parameters = base.parameters()
        space.require_in(self.parameters, "base model")
        self.kept = {name: None if k is None else k.to(self.parameters[name].device) for name, k in space.kept.items()}
        self.wanted = [name for name, size in space.sizes.items() if size]
        self.plain: set[str] = set()
        self.sites = self._sites()
        self.plain = set(self.wanted) - {site.name for sites in self.sites.values() for site in sites}
        self._pass: _Pass | None = None
        self._unfit: set[str] = set()
        self._checked = False
        self._separate = False
        self._loose = 1 if next(base.model.parameters()).dtype.itemsize >= 4 else 100  # half precision

    def example_rows(self, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Factual and alternative gradients of each example, `[examples, input_dim]` each."""
        return self._rows(pairs, per_example=True)

    def batch_row(self, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Factual and alternative gradients of the mean loss over the examples, `[input_dim]` each."""
        factual, alternative = self._rows(pairs, per_example=False)
        return factual[0], alternative[0]

    def check_once(self, slot: Slot) -> None:
        """Compare a few examples with plain autograd; what differs goes to the fallback, or fails by name."""
        if self._checked:
            return
        # a first dimension of tokens must not pass for one of examples
        lengths = (len(slot.ids), len(slot.decoder_ids))
        slots = [*[slot] * next(count for count in (1, 2, 3) if count + 1 not in lengths), _shorter(slot)]
        self._separate = self.base.depends_on_padding(slots[0], slots[-1])
        wrong = self._differing(slots)
        while wrong - self.plain:  # what the fallback needs a gradient of changes how others are called
            self.plain |= wrong
            self.sites = self._sites()
            wrong = self._differing(slots)
        if wrong:
            raise GradiendError(f"gradient rows of '{min(wrong)}' differ from autograd's: cannot be used in params")
        if self.plain:
            names = ", ".join(sorted(self.plain)[:3]) + (", ..." if len(self.plain) > 3 else "")
            LOG.warning("slower gradient rows, from plain autograd, for %s (%d in all)", names, len(self.plain))
        if self._separate:
            LOG.warning("the base model's output depends on padding: its gradients are computed one example at a time")
        self._checked = True

    def _rows(self, pairs: Sequence[Pair], *, per_example: bool) -> tuple[Tensor, Tensor]:
        self.check_once(pairs[0].factual)
        if len(pairs) > 1 and (self._separate or (per_example and self.plain)):
            single = [self._rows([pair], per_example=True) for pair in pairs]
            first, second = (torch.cat(rows) for rows in zip(*single, strict=True))
            return (first, second) if per_example else (first.mean(0, keepdim=True), second.mean(0, keepdim=True))
        factual = [pair.factual for pair in pairs]
        alternative = [pair.alternative for pair in pairs]
        if factual == alternative:
            (both,) = self._backward(factual, [None], per_example)
            return both, both
        if all(pair.factual.same_input(pair.alternative) for pair in pairs):
            targets = self.base.batch(alternative).target
            first, second = self._backward(factual, [None, targets], per_example)
        else:
            (first,) = self._backward(factual, [None], per_example)
            (second,) = self._backward(alternative, [None], per_example)
        return first, second

    def _backward(self, slots: Sequence[Slot], targets: Sequence[Tensor | None], per_example: bool) -> list[Tensor]:
        """One forward pass, then one backward pass for each list of targets (None: the slots' own)."""
        batch = self.base.batch(slots)
        with torch.enable_grad(), self._hooked(batch, per_example) as run, self._grad_for_plain():
            logits = self.base.logits(batch)
            self._require_fit(run)
            plain = sorted(self.plain)
            inputs = [*run.roots, *(self.parameters[name] for name in plain)]
            result = []
            for number, target in enumerate(targets):
                by_example = losses(logits, batch, target)
                if not per_example:
                    by_example = by_example.mean(0, keepdim=True)
                rows = torch.zeros(len(by_example), self.space.input_dim, device=logits.device, dtype=logits.dtype)
                run.rows = rows
                last = number == len(targets) - 1
                if inputs:
                    found = torch.autograd.grad(by_example.sum(), inputs, retain_graph=not last, allow_unused=True)
                    self._add_plain(rows, dict(zip(plain, found[len(run.roots) :], strict=True)))
                run.rows = None
                result.append(rows)
        return result

    def _add_plain(self, rows: Tensor, gradients: dict[str, Tensor | None]) -> None:
        """The exact fallback: autograd's gradient of the one loss that there is."""
        for name, gradient in gradients.items():
            if gradient is not None:
                (row,) = rows
                row[self.space.slices[name]] = self._kept(gradient, name)

    def _kept(self, gradient: Tensor, name: str) -> Tensor:
        return kept_of(gradient, self.kept[name])

    def _sites(self) -> dict[nn.Module, list[Site]]:
        """The rules by module; a parameter shared by several modules (tied embeddings) is in each of them."""
        names = {id(self.parameters[name]): name for name in self.wanted}
        result: dict[nn.Module, list[Site]] = {}
        for module in self.base.model.modules():
            for attribute, parameter in module.named_parameters(recurse=False):
                name = names.get(id(parameter))
                rule = None if name is None or name in self.plain else site_for(module, attribute, self.kept[name])
                if name is not None and rule is not None:
                    result.setdefault(module, []).append(Site(name, self.space.slices[name], rule))
        return result

    @contextmanager
    def _hooked(self, batch: Batch, per_example: bool) -> Iterator[_Pass]:
        self._pass = _Pass(batch, per_example)
        inside = self.base.inside
        handles = [
            module.register_forward_hook(self._forward_hook(sites, in_backbone=module in inside))
            for module, sites in self.sites.items()
        ]
        try:
            yield self._pass
        finally:
            for handle in handles:
                handle.remove()
            self._pass = None

    @contextmanager
    def _grad_for_plain(self) -> Iterator[None]:
        for name in self.plain:
            self.parameters[name].requires_grad_(True)
        try:
            yield
        finally:
            for name in self.plain:
                self.parameters[name].requires_grad_(False)

    def _forward_hook(self, sites: list[Site], *, in_backbone: bool) -> Any:
        """Keeps the module's input and asks for the gradient of its output."""

        def forward(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
            run = self._pass
            assert run is not None
            examples = run.batch.examples if in_backbone else len(run.batch.example)
            if not _one_per_example(module, arguments, output, examples):
                run.unfit.update(site.name for site in sites)
                return output
            inputs = arguments[0].detach()
            if len(output) < examples:  # position embeddings: one lookup for all examples
                output = output.expand(examples, *output.shape[1:])
                inputs = inputs.expand(examples, *inputs.shape[1:])
            if not output.requires_grad:
                root = output.detach().requires_grad_(True)
                run.roots.append(root)
                output = root.clone()  # the model may change it in place, which a leaf does not allow
            group = None if in_backbone else run.batch.example
            output.register_hook(lambda delta: self._add(sites, inputs, delta, group))
            return output

        return forward

    def _require_fit(self, run: _Pass) -> None:
        """While the check runs, parameters that do not fit go to the fallback; later there is no way back."""
        if run.unfit and self._checked:
            raise GradiendError(f"gradient rows of '{min(run.unfit)}': its module was called unlike in the self-check")
        self._unfit |= run.unfit

    def _add(self, sites: list[Site], inputs: Tensor, delta: Tensor, group: Tensor | None) -> None:
        run = self._pass
        if run is None or run.rows is None:
            return
        rows, dtype = run.rows, run.rows.dtype
        delta = delta.detach().to(dtype)
        if inputs.is_floating_point():
            inputs = inputs.to(dtype)
        inputs = inputs.to(delta.device)
        inputs, delta = self._grouped(inputs, delta, group, run)
        for site in sites:
            part = rows[:, site.columns]
            own = part if part.device == delta.device else torch.zeros_like(part, device=delta.device)
            site.add(own, inputs, delta)
            if own is not part:
                part += own.to(part.device)

    def _grouped(self, inputs: Tensor, delta: Tensor, group: Tensor | None, run: _Pass) -> tuple[Tensor, Tensor]:
        """`[leading, positions, features]` with one group per row; ids keep `[leading, positions]`."""
        ids = not inputs.is_floating_point()
        leading = run.batch.examples if group is None else len(group)
        inputs = inputs.reshape(leading, -1) if ids else inputs.reshape(leading, -1, inputs.shape[-1])
        delta = delta.reshape(leading, -1, delta.shape[-1])
        if not run.per_example:
            return inputs.flatten(0, 1)[None], delta.flatten(0, 1)[None]
        if group is not None and leading != run.batch.examples:  # several target tokens: pad them to a group each
            counts = torch.bincount(group, minlength=run.batch.examples).tolist()
            inputs = nn.utils.rnn.pad_sequence(list(inputs[:, 0].split(counts)), batch_first=True)
            delta = nn.utils.rnn.pad_sequence(list(delta[:, 0].split(counts)), batch_first=True)
        return inputs, delta

    def _differing(self, slots: Sequence[Slot]) -> set[str]:
        """The parameters whose rows are not autograd's, in the ways in which rows will be computed."""
        self._unfit = set()
        single = self._separate or bool(self.plain)
        passes = [([slot], True) for slot in slots] if single else [(list(slots), True)]
        if self.plain and not self._separate:
            passes.append((list(slots), False))
        wrong: set[str] = set()
        for part, per_example in passes:
            (rows,) = self._backward(part, [None], per_example=per_example)
            for row, gradients in zip(rows, self._truth(part, per_example), strict=True):
                wrong |= self._unlike(row, gradients)
        return wrong | self._unfit

    def _truth(self, slots: Sequence[Slot], per_example: bool) -> list[dict[str, Tensor]]:
        return kept_gradients(
            self.base, {n: (self.parameters[n], self.kept[n]) for n in self.wanted}, slots, per_example
        )

    def _unlike(self, row: Tensor, gradients: dict[str, Tensor]) -> set[str]:
        scale = sum(float(part.double().square().sum()) for part in gradients.values()) ** 0.5
        if not math.isfinite(scale):  # whoever gets the row sees it
            return set()
        return {
            name
            for name, part in gradients.items()
            if not float((row[self.space.slices[name]] - part).norm())
            <= self._loose * (CHECK_RELATIVE * float(part.norm()) + CHECK_ABSOLUTE * scale)
        }


def _one_per_example(module: nn.Module, arguments: tuple[Any, ...], output: Any, examples: int) -> bool:
    """Whether the module got one input for each example and gave one output; lookups may be one for all."""
    if not (arguments and isinstance(arguments[0], Tensor) and isinstance(output, Tensor)):
        return False
    allowed = (examples, 1) if isinstance(module, nn.Embedding) else (examples,)
    return len(arguments[0]) == len(output) and len(output) in allowed


def _shorter(slot: Slot) -> Slot:
    """The slot's text without a token behind the slot, or the first, if the slot is at its end; a lone slot as it is.

    Where possible not without its last token: some classifiers (BART's) decide at the one that ends a text.
    """
    if slot.decoder_ids:
        return replace(slot, ids=slot.ids[:-1])
    if slot.positions[-1] < len(slot.ids) - 2:
        return replace(slot, ids=slot.ids[:-2] + slot.ids[-1:])
    if slot.positions[-1] < len(slot.ids) - 1:
        return Slot(slot.ids[:-1], slot.positions, slot.targets)
    if slot.positions[0] > 0:
        return Slot(slot.ids[1:], tuple(position - 1 for position in slot.positions), slot.targets)
    return slot
