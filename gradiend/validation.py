"""Plain dicts -> settings, and what is wrong with them in one line: key, value, what would be right, the nearest name.

The words come from the settings' own types (`Expects`, `Literal`, ...), none from the library that checks them.
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs

from gradiend.errors import GradiendError, did_you_mean, nearest
from gradiend.values import Expects

T = TypeVar("T")
Path = tuple[str, ...]
WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}
LONGEST = 60  # characters of a value that are shown
UNKNOWN = ("unexpected_keyword_argument", "invalid_key")
MISSING = ("missing", "missing_argument")


def parse(kind: type[T], value: Any, origin: str) -> T:
    """The settings of one class. Raises a one-line `GradiendError`: `origin: key: what is wrong, what is right`."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        found = problems(kind, value, error)
        raise GradiendError(f"{origin}: {'; '.join(line(path, text) for path, text in found.items())}") from None


def constructed(kind: type[T], values: Any, handler: Callable[[Any], T]) -> T:
    """A settings class made by its constructor, where mistakes are a one-line `GradiendError`, too.

    To be used by a "wrap" validator, with its `values` and `handler`. Inside other settings nothing is changed.
    """
    try:
        return handler(values)
    except ValidationError as error:
        if not isinstance(values, ArgsKwargs):
            raise
        found = problems(kind, dict(values.kwargs or {}), error)
        lines = "; ".join(line(path, text) for path, text in found.items())
        raise GradiendError(f"{kind.__name__}: {lines}") from None


def line(path: Path, text: str) -> str:
    """`a.b: text`, on one line whatever the keys are; without a path the text alone."""
    key = ".".join(part if part.isprintable() else repr(part) for part in path)
    return f"{key}: {text}" if key else text


def problems(kind: type[Any], value: Any, error: ValidationError, more: Sequence[str] = ()) -> dict[Path, str]:
    """What is wrong, by the path of the setting; `more` are names that are known at the top besides the settings'."""
    found: dict[Path, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path, given = _walked(detail["loc"], value, detail["type"])
        found.setdefault(path, _problem(kind, detail, path, given, more))
    deeper = {path[:i] for path in found for i in range(len(path))}
    return {path: text for path, text in found.items() if path not in deeper} or found


def shown(value: Any) -> str:
    """A value as YAML would have it, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value)
    except ValueError:  # an integer of more than 4,300 digits
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def expected(kind: Any) -> str:
    """What a type accepts, in words."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return next((part.text for part in parts if isinstance(part, Expects)), expected(parts[0]))
    if origin is Literal:
        return _listed([repr(part) for part in parts])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(expected(part) for part in parts))
    if origin is list:
        return f"a list of {expected(parts[0])}"
    if origin is dict or is_dataclass(kind):
        return "a mapping (key: value)"
    return WORDS.get(kind, "something else")


def settings_below(kind: Any) -> Iterator[Path]:
    """The paths of all settings of a settings class, those of nested classes included."""
    for member in filter(is_dataclass, _members(kind)):
        for field in fields(member):
            yield (field.name,)
            yield from ((field.name, *path) for path in settings_below(field.type))


def _walked(location: Sequence[Any], value: Any, kind: str) -> tuple[Path, Any]:
    """The part of an error's location that walks through the given value (the rest names members of unions)."""
    path: list[str] = []
    for i, part in enumerate(location):
        found = _below(value, part)
        if found or (kind in (*MISSING, *UNKNOWN) and i == len(location) - 1):
            path.append(str(part))
            value = found[0] if found else None
    return tuple(path), value


def _below(value: Any, part: Any) -> list[Any]:
    """What stands at a key or an index, `[]` where there is none."""
    if isinstance(value, Mapping):
        return [inner for key, inner in value.items() if key == part or str(key) == str(part)][:1]
    return [value[part]] if isinstance(value, list) and isinstance(part, int) and part < len(value) else []


def _problem(root: Any, detail: Any, path: Path, value: Any, more: Sequence[str]) -> str:
    kind = detail["type"]
    if kind in UNKNOWN:
        return f"unknown setting {shown(path[-1])}{_known_hint(root, path, more)}"
    if kind in MISSING:
        return "is missing" + _meaning(root, path)
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if detail["loc"] and detail["loc"][-1] == "[key]":
        return f"the key {path[-1]} is wrong: should be text (write it in quotes)"
    return f"{shown(value)} is wrong: should be {_right(_at(root, path), value)}"


def _right(kinds: Sequence[Any], value: Any) -> str:
    text = expected(kinds[0]) if kinds else "left out"
    if text.startswith("text") and isinstance(value, bool | int | float):
        return f"{text} (write it in quotes)"
    near = nearest(value, _choices(kinds)) if isinstance(value, str) else None
    return text + (f" (did you mean '{near}'?)" if near else "")


def _known_hint(root: Any, path: Path, more: Sequence[str]) -> str:
    """The setting that may have been meant: one of that name elsewhere, the nearest here, or all that there are."""
    name = path[-1]
    known = [field.name for owner in _owners(root, path[:-1]) for field in fields(owner)]
    if not nearest(name, known):
        for other in settings_below(root):
            if other[-1] == name:
                return f" (did you mean '{'.'.join(other)}'?)"
    return did_you_mean(name, [*known, *(more if len(path) == 1 else ())])


def _meaning(root: Any, path: Path) -> str:
    for owner in _owners(root, path[:-1]):
        text = owner.__pydantic_fields__[path[-1]].description
        return f" ({text.rstrip('.')})" if text else ""
    return ""


def _owners(root: Any, path: Path) -> list[Any]:
    """The settings classes at a path."""
    return [member for kind in _at(root, path) for member in _members(kind) if is_dataclass(member)]


def _at(kind: Any, path: Path) -> list[Any]:
    """The types of what stands at a path; more than one only where a union has several that may stand there."""
    kinds = [kind]
    for key in path:
        kinds = [inner for one in kinds for member in _members(one) for inner in _inner(member, key)]
    return kinds


def _inner(member: Any, key: str) -> list[Any]:
    if is_dataclass(member):
        return [field.type for field in fields(member) if field.name == key]
    if get_origin(member) in (list, dict):
        return [get_args(member)[-1]]
    return []


def _members(kind: Any) -> list[Any]:
    """A type, with `Annotated` and unions taken apart."""
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [member for part in get_args(kind) for member in _members(part)]
    return [kind]


def _choices(kinds: Iterable[Any]) -> list[str]:
    literals = [member for kind in kinds for member in _members(kind) if get_origin(member) is Literal]
    return [str(choice) for literal in literals for choice in get_args(literal)]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
