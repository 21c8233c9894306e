"""Config files as files: what YAML and Snakemake read without a word, but nobody means."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gradiend.errors import GradiendError

_SETTINGS = "should be settings, as `key: value`"


def read_config_file(path: Path) -> dict[Any, Any]:
    """What the file says.

    Raises `GradiendError` where it is missing, not YAML (or JSON), no mapping, or gives a key twice.
    """
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content: dict[Any, Any] = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise GradiendError(f"{path.name}: {where}not YAML ({_in_one_line(error.problem)}): {_SETTINGS}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise GradiendError(f"{path.name}: not YAML ({_in_one_line(error)}): {_SETTINGS}") from error
    if not isinstance(node, yaml.MappingNode):
        kinds = {yaml.SequenceNode: "a list", yaml.ScalarNode: "plain text"}
        raise GradiendError(f"{path.name}: is {kinds.get(type(node), 'empty')}: {_SETTINGS}")
    for key, line, before in _repeated(node, "", set()):
        raise GradiendError(f"{path.name}: {key}: is in line {before} and again in line {line}: keep one of them")
    return content


def _in_one_line(error: object) -> str:
    return " ".join(str(error).split())


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise GradiendError(f"{path}: no such config file") from error
    except OSError as error:
        raise GradiendError(f"{path}: not a config file that can be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise GradiendError(f"{path.name}: not UTF-8 text: convert it to UTF-8") from error
    return text.replace("\t", " ") if path.suffix == ".json" else text  # YAML wants no tabs, JSON has them


def _repeated(node: yaml.Node, above: str, seen: set[int]) -> Iterator[tuple[str, int, int]]:
    """Every key that its mapping has twice, with both lines."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _repeated(inner, above, seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = f"{above}{key.value}", key.start_mark.line + 1
            if name in lines:
                yield name, line, lines[name]
            lines[name] = line
            yield from _repeated(value, f"{name}.", seen)
