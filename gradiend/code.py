"""Digests of the package's code by stage: what makes a result stale when the code that made it changes.

A digest covers the syntax trees of the stage's module and of every package module that it imports, directly or
not, without docstrings and comments, so that neither makes anything stale. What is imported for type checkers only
runs in no stage.
"""

import ast
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradiend.errors import GradiendError
from gradiend.files import digest_bytes, read_json, write_json

PACKAGE = Path(__file__).parent
NAME = "gradiend"
PAGES = (".html", ".css", ".js")


@dataclass(frozen=True)
class Source:
    """What a file says: the digest of its syntax tree, and its imports: how many packages up, and the name there."""

    digest: str
    imports: tuple[tuple[int, str], ...]


def code_digest(stage: str, package: Path = PACKAGE) -> str:
    """SHA-256, 16 hex digits, of the code that `python -m gradiend.stages.<stage>` runs."""
    modules = modules_of(f"stages.{stage}", package).values()
    packages = {path.parent for path in modules if path.name == "__init__.py"}
    templates = sorted(file for own in packages for file in own.iterdir() if file.suffix in PAGES)
    trees = (_source(path.read_text(encoding="utf-8")).digest.encode() for path in modules)
    return digest_bytes(*trees, *(page.read_bytes() for page in templates))[:16]


class RememberedDigests:
    """`code_digest`, with what files say remembered in a JSON file by their content: to parse them takes seconds."""

    def __init__(self, path: Path) -> None:
        self._path, self._written = path, 0
        try:
            found: Any = read_json(path)
            _KNOWN.update({key: Source(own["digest"], _pairs(own["imports"])) for key, own in found.items()})
            self._written = len(_KNOWN)
        except (GradiendError, AttributeError, KeyError, TypeError, ValueError):
            pass  # a cache that is broken is written anew

    def __call__(self, stage: str) -> str:
        """The stage's digest."""
        digest = code_digest(stage)
        if len(_KNOWN) > self._written:
            write_json(self._path, {key: asdict(source) for key, source in _KNOWN.items()})
            self._written = len(_KNOWN)
        return digest


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
        names = _source(path.read_text(encoding="utf-8")).imports
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


def _source(text: str) -> Source:
    key = digest_bytes(sys.version.encode(), text.encode())
    if key not in _KNOWN:
        _KNOWN[key] = _parsed(text)
    return _KNOWN[key]


def _parsed(text: str) -> Source:
    """The tree is taken without comments, positions, strings that are no part of an expression, and types' imports."""
    tree = _Bare().visit(ast.parse(text))
    found: set[tuple[int, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".removeprefix(".") for alias in node.names)]
            found |= {(node.level, name) for name in names if name}
    return Source(digest_bytes(ast.dump(tree).encode()), tuple(sorted(found)))


def _pairs(imports: list[list[Any]]) -> tuple[tuple[int, str], ...]:
    return tuple((int(level), str(name)) for level, name in imports)


class _Bare(ast.NodeTransformer):
    """Removes docstrings, the strings that describe fields, and `if TYPE_CHECKING:`, which never holds in a stage."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        unseen = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if unseen else node


_KNOWN: dict[str, Source] = {}
