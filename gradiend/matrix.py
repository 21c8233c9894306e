"""Merging of nested settings, and the runs of a `matrix`: every combination of values, each with a readable id."""

import copy
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 40  # characters of a value in a run id
LONGEST_ID = 120


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `base` with `changes` put over it, mapping by mapping; anything else is replaced."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def decides(value: Any, path: Sequence[Any]) -> bool:
    """Whether a nested value says what is at a path within it: it is there, or there is no place for it."""
    for key in path:
        if not isinstance(value, Mapping):
            return True
        if key not in value:
            return False
        value = value[key]
    return True


def product(matrix: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, Any]]:
    """`{"a.b": [1, 2], "c": [3]}` -> the changes of the runs `b=1-c=3` and `b=2-c=3`.

    Different combinations have different ids; which id a combination has does not depend on the order of the values.
    """
    keys = [str(key) for key in matrix]
    names = [_short_key(key, keys) for key in keys]
    texts = [_readable(values) for values in matrix.values()]
    runs: dict[str, dict[str, Any]] = {}
    for picked in itertools.product(*(range(len(values)) for values in matrix.values())) if matrix else ():
        changes: dict[str, Any] = {}
        for key, values, i in zip(keys, matrix.values(), picked, strict=True):
            changes = merged(changes, _nested(key, values[i]))
        parts = zip(names, texts, picked, strict=True)
        runs[_cut("-".join(f"{name}={text[i]}" for name, text, i in parts), LONGEST_ID)] = changes
    return runs


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in a file: 1, 1.0 and true are three values."""
    return _digest(one) == _digest(other)


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    nested: dict[str, Any] = value
    return nested


def _short_key(key: str, keys: Sequence[str]) -> str:
    """The end of a dotted key, as short as tells it from the other keys."""
    parts = key.split(".")
    for i in range(len(parts) - 1, -1, -1):
        short = ".".join(parts[i:])
        if not any(other != key and f".{other}".endswith(f".{short}") for other in keys):
            break
    return _safe(short)


def _readable(values: Sequence[Any]) -> list[str]:
    """One text for each value; those that would be the same get a digest of the value."""
    texts = [_safe(_text(value)) for value in values]
    texts = [_cut(text, LONGEST) for text in texts]
    unclear = {text for text in texts if texts.count(text) > 1 or not text.strip("_")}
    return [f"{text}.{_digest(value)}" if text in unclear else text for text, value in zip(texts, values, strict=True)]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}.{_digest(text)}"


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "_".join(f"{key}_{_text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "_".join(_text(inner) for inner in value)
    return str(value).rstrip("/").rsplit("/", 1)[-1]


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()[:6]
