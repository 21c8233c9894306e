"""Keywords that there are not."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gradiend.errors import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")


def suggesting(function: Callable[P, R]) -> Callable[P, R]:
    """The function; a keyword that it has not raises a `TypeError` that names the nearest that it has."""
    known = [name for name in inspect.signature(function).parameters if name != "self"]

    @functools.wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        for name in keywords:
            if name not in known:
                raise TypeError(f"{function.__qualname__}: no keyword '{name}'{did_you_mean(name, known)}")
        return function(*arguments, **keywords)

    return call
