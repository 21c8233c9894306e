"""What an import brings along: the workflow plans, and light jobs start, without the heavy libraries."""

import subprocess
import sys

import pytest

import gradiend
from gradiend import exports

HEAVY = {"torch", "pandas", "transformers", "pyarrow", "numpy"}
LIGHT = ("config", "settings", "resolution", "code", "selection", "examples.files", "schema", "cli", "files")


def python(code: str) -> str:
    """What fresh Python prints, in which every warning is an error."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_the_package_is_quick_and_imports_nothing_heavy() -> None:
    timed = "start = time.process_time(); import gradiend; print(time.process_time() - start, *sys.modules)"
    shown = python(f"import sys, time; {timed}")
    seconds, *modules = shown.split()
    assert float(seconds) < 0.3
    assert not HEAVY & set(modules)


def test_what_the_api_offers_is_there_when_it_is_used() -> None:
    assert {"TextPredictionTrainer", "TrainingArguments", "create_model_with_gradiend"} <= set(dir(gradiend))
    for name in gradiend.__all__:
        assert exports.find(name).__name__ == name
        assert getattr(gradiend, name) is exports.find(name)
    with pytest.raises(AttributeError, match="module 'gradiend' has no attribute 'TrainingArgument'"):
        _ = gradiend.TrainingArgument


def test_training_arguments_are_quick_to_have_too() -> None:
    shown = python("import sys; from gradiend import TrainingArguments, PrePruneConfig; print(*sys.modules)")
    assert not HEAVY & set(shown.split())


@pytest.mark.parametrize("names", [LIGHT], ids=["light"])
def test_planning_imports_nothing_heavy(names: tuple[str, ...]) -> None:
    lines = "\n".join(f"import gradiend.{name}; print({name!r}, *sys.modules)" for name in names)
    for line in python(f"import sys\n{lines}").splitlines():
        name, *modules = line.split()
        assert not HEAVY & set(modules), name
