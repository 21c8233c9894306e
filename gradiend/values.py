"""What a setting may be: types that read what YAML and a command line make of a value, and say what they expect.

YAML reads `1e-4` as text, and Snakemake's `--config` reads every nested value as text, `null` among them.
"""

import os
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from gradiend.errors import nearest

NULLS = ("null", "Null", "NULL", "None", "~")
BOOLS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
DEVICES = "cpu, cuda, cuda:N, mps or auto"
LARGEST = 2**53  # of an integer: exact in every program that reads the JSON


@dataclass(frozen=True)
class Expects:
    """What is right for a value, in words; completes "should be"."""

    text: str


def read_null(value: Any) -> Any:
    """Text that spells null as None."""
    return None if isinstance(value, str) and value in NULLS else value


def read_number(value: Any) -> Any:
    """Text that spells a number as that number, or null as None; a bool is no number."""
    if isinstance(value, bool):
        raise PydanticCustomError("number", "should be a number")
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return read_null(value)


def read_bool(value: Any) -> Any:
    """Text that spells a bool as that bool."""
    return BOOLS.get(value.lower(), value) if isinstance(value, str) else value


def read_text(value: Any) -> Any:
    """A path as text."""
    return str(value) if isinstance(value, PurePath) else value


def read_optional_text(value: Any) -> Any:
    """A path as text, and text that spells null as None."""
    return read_null(read_text(value))


def read_home(value: str | None) -> str | None:
    """A path with the home folder for a `~` at its beginning."""
    return value if value is None else os.path.expanduser(value)


def read_folder(value: str | None) -> str | None:
    """As `read_home`. Raises `ValueError` on braces, which mean something else in the workflow's paths."""
    if value is not None and ("{" in value or "}" in value):
        raise ValueError(f"'{value}' is wrong: should be a folder without braces in its name")
    return read_home(value)


def read_device(value: str | None) -> str | None:
    """A device as it is. Raises `ValueError`, with the nearest one, on what names none."""
    if value is None or DEVICE.fullmatch(value):
        return value
    near = nearest(value.replace("gpu", "cuda"), ("cpu", "cuda", "mps", "auto"))
    hint = f" (did you mean '{near}'?)" if near else ""
    raise ValueError(f"'{value}' is wrong: should be {DEVICES}{hint}")


_Integer = Annotated[int, Field(ge=0, le=LARGEST)]
_Positive = Annotated[int, Field(ge=1, le=LARGEST)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_StrictCount = Annotated[int, Field(ge=1, le=LARGEST, strict=True)]
_Fraction = Annotated[float, Field(gt=0, le=1, strict=True)]
_Text = Annotated[str, Field(min_length=1)]

Bool = Annotated[bool, BeforeValidator(read_bool), Field(strict=True)]
OptionalBool = Annotated[
    Annotated[bool, Field(strict=True)] | None,
    BeforeValidator(read_null),
    BeforeValidator(read_bool),
    Expects("true, false or null"),
]
Count = Annotated[_Positive, BeforeValidator(read_number), Expects("an integer >= 1")]
OptionalCount = Annotated[_Positive | None, BeforeValidator(read_number), Expects("an integer >= 1 or null")]
OptionalInt = Annotated[_Integer | None, BeforeValidator(read_number), Expects("an integer >= 0 or null")]
Steps = Annotated[
    Annotated[int, Field(ge=-1, le=LARGEST)], BeforeValidator(read_number), Expects("an integer >= -1 (-1: none)")
]
Number = Annotated[_Number, BeforeValidator(read_number), Expects("a number")]
NonNegative = Annotated[_NonNegative, BeforeValidator(read_number), Expects("a number >= 0")]
OptionalNonNegative = Annotated[_NonNegative | None, BeforeValidator(read_number), Expects("a number >= 0 or null")]
Positive = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)], BeforeValidator(read_number), Expects("a number > 0")
]
Share = Annotated[Annotated[float, Field(gt=0, le=1)], BeforeValidator(read_number), Expects("a number in (0, 1]")]
TopK = Annotated[
    _StrictCount | _Fraction | None,
    BeforeValidator(read_number),
    Expects("an integer count >= 1 or a fraction in (0, 1]"),
]
Text = Annotated[_Text, BeforeValidator(read_text), Expects("text, not empty")]
OptionalText = Annotated[_Text | None, BeforeValidator(read_optional_text), Expects("text, not empty, or null")]
LocalOrId = Annotated[Text, AfterValidator(read_home)]
OptionalLocalOrId = Annotated[OptionalText, AfterValidator(read_home)]
Folder = Annotated[Text, AfterValidator(read_folder)]
OptionalFolder = Annotated[OptionalText, AfterValidator(read_folder)]
OptionalDevice = Annotated[OptionalText, AfterValidator(read_device)]
