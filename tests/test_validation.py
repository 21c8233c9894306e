"""Settings from plain dicts, and what is said of those that are wrong."""

from dataclasses import field
from typing import Annotated, Any, Literal

import pytest
from pydantic.dataclasses import dataclass

from gradiend.arguments import CONFIG
from gradiend.errors import GradiendError, did_you_mean, nearest
from gradiend.validation import expected, line, parse, settings_below, shown
from gradiend.values import Count, Expects, OptionalBool, Text


@dataclass(frozen=True, config=CONFIG)
class Inner:
    """Settings below settings."""

    depth: Count = 1
    """How deep."""


@dataclass(frozen=True, config=CONFIG)
class Outer:
    """Settings."""

    name: Text
    """What it is called."""
    size: int | Literal["all"] = "all"
    trust: OptionalBool = None
    inner: Inner | None = None
    many: list[Inner] = field(default_factory=list)
    by_name: dict[str, Inner] = field(default_factory=dict)


def message(value: Any) -> str:
    with pytest.raises(GradiendError) as caught:
        parse(Outer, value, "here")
    return str(caught.value)


def test_right_settings_are_read() -> None:
    read = parse(Outer, {"name": "a", "trust": "null", "many": [{"depth": "2"}]}, "here")
    assert read == Outer(name="a", many=[Inner(depth=2)])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "name: is missing (What it is called)"),
        ({"name": "a", "size": "al"}, "size: 'al' is wrong: should be an integer or 'all' (did you mean 'all'?)"),
        ({"name": "a", "trust": 2}, "trust: 2 is wrong: should be true, false or null"),
        ({"name": "a", "inner": {"depth": 0}}, "inner.depth: 0 is wrong: should be an integer >= 1"),
        ({"name": "a", "many": [{}, {"depht": 1}]}, "many.1.depht: unknown setting 'depht' (did you mean 'depth'?)"),
        ({"name": "a", "many": [3]}, "many.0: 3 is wrong: should be a mapping (key: value)"),
        ({"name": "a", "by_name": {"x": {"depth": None}}}, "by_name.x.depth: null is wrong: should be an integer >= 1"),
        ({"name": "a", "depth": 1}, "depth: unknown setting 'depth' (did you mean 'inner.depth'?)"),
        ({"name": "a", "many": 3}, "many: 3 is wrong: should be a list of a mapping (key: value)"),
        ([1], "[1] is wrong: should be a mapping (key: value)"),
        ({"name": "x" * 1000, "size": "y" * 1000}, f"size: '{'y' * 59}... is wrong: should be an integer or 'all'"),
    ],
)
def test_a_mistake_names_its_place_at_any_depth(value: Any, text: str) -> None:
    assert message(value) == f"here: {text}"


def test_keys_with_line_breaks_stay_on_one_line() -> None:
    assert message({"name": "a", "b\nc": 1}).startswith("here: 'b\\nc': unknown setting 'b\\nc' (known: name, ")
    assert line((), "text") == "text"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), (False, "false"), (1, "1"), (1.0, "1.0"), ("a\n", "'a\\n'")]
)
def test_values_are_shown_as_in_a_file(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int | None, "an integer or null"),
        (Literal["a", "b", "c"], "'a', 'b' or 'c'"),
        (list[float], "a list of a number"),
        (dict[str, int], "a mapping (key: value)"),
        (Annotated[int, Expects("three")], "three"),
        (Inner, "a mapping (key: value)"),
    ],
)
def test_a_type_says_what_it_accepts(kind: Any, text: str) -> None:
    assert expected(kind) == text


def test_the_paths_of_all_settings_are_listed() -> None:
    assert set(settings_below(Outer)) >= {("name",), ("inner",), ("inner", "depth")}


def test_the_nearest_name_does_not_depend_on_case() -> None:
    assert nearest("FEMALE", ["male", "female"]) == "female"
    assert nearest("xyz", ["male", "female"]) is None
    assert did_you_mean("xyz", ["a", "b"]) == " (known: a, b)"
    assert did_you_mean("xyz", map(str, range(20))).endswith("11, ...)")
    assert did_you_mean("xyz", []) == ""
