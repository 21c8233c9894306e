"""GRADIEND feature learning: one feature of a language model as a direction in its weight space.

The Python API is imported when it is first used: `import gradiend` alone is quick and has no side effect.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gradiend.exports import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """What `gradiend.exports` lists: no import statement, for no stage needs it, and no result depends on it."""
    exports = importlib.import_module("gradiend.exports")
    return exports.__all__ if name == "__all__" else exports.find(name)


def __dir__() -> list[str]:
    """The module's own names, and those of the Python API."""
    return sorted({*globals(), *importlib.import_module("gradiend.exports").__all__})
