"""Where a parameter lies in a base model: its layer and its component, from its name."""

import re
from collections.abc import Sequence


def layers_and_components(names: Sequence[str]) -> list[tuple[int | None, str]]:
    """`bert.encoder.layer.3.output.dense.bias` -> (3, "output.dense (bias)"); without a layer, (None, name).

    The first number in a name is its layer, whatever the model calls it. Where there are several stacks of layers, the
    stack's name stays in front of the component.
    """
    shown = [name.removesuffix(".weight") for name in _without_common_start(names)]
    shown = [f"{name.removesuffix('.bias')} (bias)" if name.endswith(".bias") else name for name in shown]
    found = [re.fullmatch(r"(|.*?\.)(\d+)\.(.+)", name) for name in shown]
    stacks = {match[1] for match in found if match}
    fronts = {stack: f"{stack.split('.')[0]}: " if len(stacks) > 1 and stack else "" for stack in stacks}
    return [
        (int(match[2]), fronts[match[1]] + match[3]) if match else (None, name)
        for name, match in zip(shown, found, strict=True)
    ]


def _without_common_start(names: Sequence[str]) -> list[str]:
    """The names without the parts at their start that all of them share."""
    parts = [name.split(".") for name in names]
    while min(map(len, parts)) > 1 and len({own[0] for own in parts}) == 1:
        parts = [own[1:] for own in parts]
    return [".".join(own) for own in parts]
