"""Turns a stage's `run` function into a command: its parameters become the options."""

import argparse
import gc
import inspect
import logging
import signal
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from gradiend.devices import memory_hint
from gradiend.errors import GradiendError
from gradiend.files import disk_hint
from gradiend.records import recording
from gradiend.settings import canonical, read_settings


def main(run: Callable[..., str], arguments: Sequence[str] | None = None) -> int:
    """Parse the options, run the stage, print its one line of result.

    Every keyword of `run` is an option: `settings` takes JSON, a `Path` one path, `list[Path]` several. A
    `GradiendError`, and memory or a disk that is full, become one line on standard error and exit code 1; Ctrl-C and
    SIGTERM the line "interrupted" and exit codes 130 and 143. `--record FILE CODE`, which every stage with settings
    has, notes in a file what made the results: the settings, and the digest of the code.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.captureWarnings(True)
    parsed = vars(_parser(run).parse_args(arguments))
    record = parsed.pop("record", None)
    try:
        with _stoppable():
            kind = typing.get_type_hints(run).get("settings")
            if kind is not None:
                parsed["settings"] = read_settings(kind, parsed["settings"])
            with recording(Path(record[0]), canonical(parsed["settings"]), record[1]) if record else nullcontext():
                line = run(**parsed)
            print(line, flush=True)
    except GradiendError as error:
        return _failed(str(error))
    except RuntimeError as error:
        hint = memory_hint(error)
        if hint is None:
            raise
        return _failed(hint)
    except OSError as error:
        hint = disk_hint(error)
        if hint is None:
            raise
        return _failed(f"{error.filename or 'the results'}: {hint}")
    except _Stopped as stopped:
        print("interrupted", file=sys.stderr)
        return 128 + stopped.signal
    return 0


def _failed(message: str) -> int:
    print("error: " + " ".join(message.splitlines()), file=sys.stderr)
    return 1


class _Stopped(BaseException):
    """A signal asked for the end; raised where the stage is, so that it leaves nothing half done."""

    def __init__(self, signal: int) -> None:
        self.signal = signal


def _nothing_to_save(number: int, frame: object) -> None:
    """SIGUSR1 asks a loop to save its state; where there is none, it must not end the job."""


@contextmanager
def _stoppable() -> Iterator[None]:
    """Within, SIGINT and SIGTERM raise `_Stopped`, and SIGUSR1 does nothing."""

    def stop(number: int, frame: object) -> None:
        raise _Stopped(number)

    handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM), stop) | {signal.SIGUSR1: _nothing_to_save}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser(run: Callable[..., str]) -> argparse.ArgumentParser:
    module = inspect.getmodule(run)
    parser = argparse.ArgumentParser(prog=f"gradiend {Path(inspect.getfile(run)).stem}", allow_abbrev=False)
    parser.description = (module.__doc__ if module else None) or run.__doc__
    hints = typing.get_type_hints(run)
    for name, parameter in inspect.signature(run).parameters.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **_option(hints[name], parameter.default))
    if "settings" in hints:
        parser.add_argument("--record", nargs=2, metavar=("FILE", "CODE"))
    return parser


def _option(kind: Any, default: Any) -> dict[str, Any]:
    """How argparse reads one parameter; one without a default is required."""
    option: dict[str, Any] = {"required": True} if default is inspect.Parameter.empty else {"default": default}
    if typing.get_origin(kind) is list:
        return option | {"nargs": "*", "type": typing.get_args(kind)[0]}
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
        option["nargs"] = "?"  # an input function that returns no file leaves the option without a value
    return option | {"type": kind if kind in (int, float, Path) else str}
