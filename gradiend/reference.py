"""The tables of docs/arguments.md, made from the settings' types: `python -m gradiend.reference docs/arguments.md`.

Between `<!-- Class: first to last -->` (or `<!-- Class -->` for all of its settings) and `<!-- end -->` stands the
table of these settings; everything else of the page is left as it is.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

from gradiend.errors import GradiendError, did_you_mean
from gradiend.experiment import ExperimentConfig
from gradiend.files import write_text
from gradiend.validation import expected, shown


def _settings_classes(kind: Any) -> Iterator[type[Any]]:
    """A settings class, or those in a type, each with those of its settings."""
    own = isinstance(kind, type) and is_dataclass(kind)
    if own:
        yield kind
    for part in [one.type for one in fields(kind)] if own else get_args(kind):
        yield from _settings_classes(part)


CLASSES: dict[str, type[Any]] = {kind.__name__: kind for kind in _settings_classes(ExperimentConfig)}
_PART = re.compile(r"<!-- (\w+)(?:: (\w+) to (\w+))? -->\n.*?<!-- end -->", re.DOTALL)


def filled(page: str) -> str:
    """The page with every table as the types have it now. Raises `GradiendError` on a class or setting unknown here."""
    return _PART.sub(lambda part: f"{part[0].splitlines()[0]}\n\n{_table(part)}\n\n<!-- end -->", page)


def named(page: str) -> list[str]:
    """`Class.setting` of every setting in a table of the page, in order."""
    return [f"{part[1]}.{one.name}" for part in _PART.finditer(page) for one in _settings(part)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the tables of one page, in place."""
    (path,) = map(Path, sys.argv[1:] if arguments is None else arguments)
    write_text(path, filled(path.read_text(encoding="utf-8")))
    return 0


def _table(part: re.Match[str]) -> str:
    rows = ["| setting | default | may be | meaning |", "|---|---|---|---|"]
    return "\n".join([*rows, *(_row(CLASSES[part[1]], one) for one in _settings(part))])


def _settings(part: re.Match[str]) -> Iterator["Field[Any]"]:
    kind, first, last = part.groups()
    own = {one.name: one for one in fields(_known(kind, CLASSES))}
    names = list(own)
    start = names.index(_known(first, own).name) if first else 0
    stop = names.index(_known(last, own).name) + 1 if last else len(names)
    yield from (own[name] for name in names[start:stop])


def _known(name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise GradiendError(f"'{name}' is no settings class or setting{did_you_mean(name, known)}")
    return known[name]


def _row(owner: Any, one: "Field[Any]") -> str:
    meaning = owner.__pydantic_fields__[one.name].description
    cells = [f"`{one.name}`", _default(one), _may_be(one.type), meaning]
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _default(one: "Field[Any]") -> str:
    """As a config file would have it; a nested settings class has a table of its own."""
    if one.default is MISSING and one.default_factory is MISSING:
        return "must be given"
    value = one.default_factory() if one.default_factory is not MISSING else one.default
    if is_dataclass(value):
        return "see there"
    return f"`{_as_yaml(value)}`"


def _may_be(kind: Any) -> str:
    return expected(kind).replace(", not empty, or", " or").replace(", not empty", "")


def _as_yaml(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-")
    return value if isinstance(value, str) and value.isidentifier() else shown(value)


if __name__ == "__main__":
    sys.exit(main())
