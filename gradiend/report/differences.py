"""The settings of several runs: those in which they differ, and those that all have."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gradiend.report.numbers import UNKNOWN

LONGEST = 60  # characters of a setting's value
CLASSES = "target_classes"  # stand beside the name of each run

Config = Mapping[str, Any]


def differing_settings(configs: Sequence[Config]) -> dict[str, list[str]]:
    """Name -> the value of each run, of every setting that is not the same in all runs."""
    return {
        name.removeprefix("training_arguments."): [_short(value) for value in values]
        for name, values in _by_setting(configs).items()
        if len(set(values)) > 1
    }


def common_settings(configs: Sequence[Config]) -> list[str]:
    """`name: value` of every setting that is the same in all runs."""
    return [f"{name}: {values[0]}" for name, values in _by_setting(configs).items() if len(set(values)) == 1]


def _by_setting(configs: Sequence[Config]) -> dict[str, list[str]]:
    flat = [_flat({name: value for name, value in own.items() if name != CLASSES}) for own in configs]
    names = dict.fromkeys(name for own in flat for name in own)
    return {name: [own.get(name, UNKNOWN) for own in flat] for name in names}


def _flat(config: Any, above: str = "") -> dict[str, str]:
    if not isinstance(config, dict) or (not config and above):
        return {above: config if isinstance(config, str) else json.dumps(config, ensure_ascii=False)}
    parts = (_flat(value, f"{above}.{key}".removeprefix(".")) for key, value in config.items())
    return {name: value for part in parts for name, value in part.items()}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
