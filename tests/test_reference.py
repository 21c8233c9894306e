"""docs/arguments.md has every setting once, as the types have it now; the docstrings of everything public are there."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from experiment import PROJECT

from gradiend.errors import GradiendError
from gradiend.reference import CLASSES, filled, main, named

PAGE = PROJECT / "docs" / "arguments.md"


def test_the_page_is_what_the_types_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == filled(page), f"run python -m gradiend.reference {PAGE.relative_to(PROJECT)}"


def test_every_setting_is_on_the_page_once() -> None:
    every = [f"{name}.{one.name}" for name, kind in CLASSES.items() for one in fields(kind)]
    assert sorted(named(PAGE.read_text(encoding="utf-8"))) == sorted(every)


def test_the_command_fills_the_tables_and_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- TrainingArguments: source to target -->\nold\n<!-- end -->\nafter\n")
    assert main([str(path)]) == 0
    before, *table, after = path.read_text().splitlines()
    assert (before, after) == ("before", "after") and "old" not in table
    assert (
        "| `target` | `diff` | 'factual', 'alternative' or 'diff' | The gradient that the decoder predicts. |" in table
    )


@pytest.mark.parametrize("part", ["TrainingArgument", "TrainingArguments: sourc to target"])
def test_a_misspelt_name_is_an_error_with_the_nearest_one(part: str) -> None:
    with pytest.raises(GradiendError, match=r"did you mean '(TrainingArguments|source)'"):
        filled(f"<!-- {part} -->\n<!-- end -->\n")


def test_everything_public_has_a_docstring() -> None:
    missing = [
        f"{path.relative_to(PROJECT)}: {name}"
        for path in sorted((PROJECT / "gradiend").rglob("*.py"))
        for name in undocumented(ast.parse(path.read_text(encoding="utf-8")), "")
    ]
    assert missing == []


def undocumented(owner: ast.Module | ast.ClassDef, name: str) -> Iterator[str]:
    """The names of all public functions and classes, the module among them, that have no docstring."""
    if ast.get_docstring(owner) is None:
        yield name or "the module"
    for one in owner.body:
        if isinstance(one, ast.ClassDef) and not one.name.startswith("_"):
            yield from undocumented(one, f"{name}{one.name}.")
        elif isinstance(one, ast.FunctionDef) and not one.name.startswith("_") and ast.get_docstring(one) is None:
            yield f"{name}{one.name}"
