"""Digests of the package's code by stage: what makes a result stale when the code that made it changes.

A digest covers the syntax trees of the stage's module and of every package module that it imports, directly or
not, without docstrings and comments, so that neither makes anything stale. What is imported for type checkers only
runs in no stage.
"""

import ast
from functools import cache
from pathlib import Path

from gradiend.errors import GradiendError
from gradiend.files import digest_bytes

PACKAGE = Path(__file__).parent
NAME = "gradiend"
PAGES = (".html", ".css", ".js")


def code_digest(stage: str, package: Path = PACKAGE) -> str:
    """SHA-256, 16 hex digits, of the code that `python -m gradiend.stages.<stage>` runs."""
    modules = modules_of(f"stages.{stage}", package).values()
    packages = {path.parent for path in modules if path.name == "__init__.py"}
    templates = sorted(file for own in packages for file in own.iterdir() if file.suffix in PAGES)
    trees = (_tree(path.read_text(encoding="utf-8")).encode() for path in modules)
    return digest_bytes(*trees, *(page.read_bytes() for page in templates))[:16]


def modules_of(start: str, package: Path = PACKAGE) -> dict[str, Path]:
    """The module and all package modules that it imports, by their name in the package, sorted."""
    found: dict[str, Path] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        path = _path(name, package)
        if path is None or name in found:
            continue
        found[name] = path
        waiting += sorted(_imports(path, name))
    return dict(sorted(found.items()))


def _path(name: str, package: Path) -> Path | None:
    """The file of a module: `a.b` is a/b.py or a/b/__init__.py; the package itself has an empty name."""
    module = package.joinpath(*name.split(".")) if name else package
    files = (module / "__init__.py", *([module.with_suffix(".py")] if name else []))
    return next((path for path in files if path.is_file()), None)


def _imports(path: Path, name: str) -> set[str]:
    """What a module imports of this package; `from gradiend.a import b` names both `a` and `a.b`."""
    try:
        names = _imported(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise GradiendError(f"{path}: line {error.lineno}: {error.msg}") from error
    parts = [NAME, *name.split(".")] if name else [NAME]
    here = parts if path.name == "__init__.py" else parts[:-1]
    absolute = {_absolute(level, module, here) for level, module in names}
    own = [module.split(".")[1:] for module in absolute if module.split(".")[0] == NAME]
    return {".".join(module[:i]) for module in own for i in range(min(1, len(module)), len(module) + 1)}


def _absolute(level: int, module: str, here: list[str]) -> str:
    """The full name of a module that is imported in the package `here`, `level` packages up (0: not relatively)."""
    return ".".join([*here[: len(here) - level + 1], module] if level else [module])


@cache
def _imported(source: str) -> frozenset[tuple[int, str]]:
    """The imports of a file: how many packages up, and the name from there."""
    found: set[tuple[int, str]] = set()
    for node in ast.walk(_WithoutTypes().visit(ast.parse(source))):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".removeprefix(".") for alias in node.names)]
            found |= {(node.level, name) for name in names if name}
    return frozenset(found)


@cache
def _tree(source: str) -> str:
    """The syntax tree as text, without strings that are no part of an expression, comments and positions."""
    return ast.dump(_WithoutTexts().visit(_WithoutTypes().visit(ast.parse(source))))


class _WithoutTypes(ast.NodeTransformer):
    """Removes `if TYPE_CHECKING:`, which never holds where code runs."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        unseen = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if unseen else node


class _WithoutTexts(ast.NodeTransformer):
    """Removes docstrings, and the strings that describe fields."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node
