"""Gradients of parameters by plain autograd, of which only one is in memory at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor, enable_grad, nn

from gradiend.backbones.slot_model import SlotModel
from gradiend.backbones.slots import Slot, losses

Receive = Callable[[str, Tensor], None]


@contextmanager
def each_gradient(parameters: dict[str, nn.Parameter], receive: Receive) -> Iterator[None]:
    """Within: backward passes give `receive(name, gradient)` each parameter's gradient and free it at once."""

    def hook_for(name: str) -> Callable[[Tensor], None]:
        def hook(parameter: Tensor) -> None:
            assert parameter.grad is not None
            receive(name, parameter.grad)
            parameter.grad = None

        return hook

    for parameter in parameters.values():
        parameter.requires_grad_(True)
    handles = [p.register_post_accumulate_grad_hook(hook_for(name)) for name, p in parameters.items()]
    try:
        with enable_grad():
            yield
    finally:
        for parameter in parameters.values():
            parameter.requires_grad_(False)
            parameter.grad = None
        for handle in handles:
            handle.remove()


def kept_gradients(
    base: SlotModel,
    parameters: Mapping[str, tuple[nn.Parameter, Tensor | None]],
    slots: Sequence[Slot],
    per_example: bool,
) -> list[dict[str, Tensor]]:
    """The kept entries (flat indices, or None for all) of each row's gradient, by name.

    A row is an example or, not `per_example`, the mean over all of them.
    """
    sizes = {name: (p, p.numel() if kept is None else len(kept)) for name, (p, kept) in parameters.items()}
    rows = slots if per_example else slots[:1]
    found = [{name: p.new_zeros(size, requires_grad=False) for name, (p, size) in sizes.items()} for _ in rows]
    current = found[0]

    def keep(name: str, gradient: Tensor) -> None:  # copies: new tensors would scatter over the heap
        current[name].copy_(kept_of(gradient, parameters[name][1]))

    with each_gradient({name: parameter for name, (parameter, _) in parameters.items()}, keep):
        batch = base.batch(slots)
        by_example = losses(base.logits(batch), batch)
        for into, loss in zip(found, by_example if per_example else by_example.mean(0, keepdim=True), strict=True):
            current = into
            loss.backward(retain_graph=True)
    return found


def kept_of(gradient: Tensor, kept: Tensor | None) -> Tensor:
    """The kept entries of a parameter's gradient, flat."""
    flat = gradient.reshape(-1)
    return flat if kept is None else flat[kept]
