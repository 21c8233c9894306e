"""Coverage-guided fuzzing of what reads the user's files: whatever they hold, the answer is a result or one line.

    make fuzz [SECONDS=60]     or     python tests/fuzz.py {config,csv,jsonl,json,parquet} [-max_total_time=60]

Needs atheris, which `make fuzz` brings. What it finds is printed, and lies in `build/`, else in the working directory,
as `crash-...`.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris
import pandas as pd

with atheris.instrument_imports(include=["gradiend", "yaml"]):
    from gradiend.config import load_runs
    from gradiend.config_files import read_config_file
    from gradiend.examples.preparation import prepare

from tiny import story_examples, story_neutral

from gradiend.config import parse_config
from gradiend.errors import GradiendError
from gradiend.resolution import stage_settings

PROJECT = Path(__file__).parents[1]
FOLDER = Path(tempfile.mkdtemp())
WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
    "json": lambda table, path: table.to_json(path, orient="records"),
    "parquet": lambda table, path: table.to_parquet(path),
}


def read_config(content: bytes) -> None:
    """A config file."""
    path = FOLDER / "fuzzed.yaml"
    path.write_bytes(content)
    load_runs(read_config_file(path), path.name)


def read_data(content: bytes, suffix: str) -> None:
    """A file of examples."""
    path = FOLDER / f"fuzzed.{suffix}"
    path.write_bytes(content)
    raw = {
        "experiment_dir": "unused",
        "model": "unused",
        "data": {"source": str(path), "neutral": str(FOLDER / "neutral.csv")},
        "target_classes": ["female", "male"],
    }
    prepare(stage_settings("prepare_data", parse_config(raw, "fuzz")))


def one_line(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Any other error than ours is a finding, and one of several lines."""

    def check(content: bytes) -> None:
        try:
            read(content)
        except GradiendError as error:
            assert len(str(error).splitlines()) == 1, error

    return check


def seeds(kind: str) -> Path:
    """A folder of files to begin with."""
    folder = FOLDER / "seeds"
    folder.mkdir()
    if kind == "config":
        for path in (PROJECT / "config.yaml", *(PROJECT / "examples").glob("*.yaml")):
            (folder / path.name).write_bytes(path.read_bytes())
    else:
        WRITERS[kind](story_examples(), folder / f"seed.{kind}")
    return folder


def main() -> None:
    """Fuzz one kind of file."""
    kind, *options = sys.argv[1:]
    story_neutral().to_csv(FOLDER / "neutral.csv", index=False)
    read = read_config if kind == "config" else lambda content: read_data(content, kind)
    atheris.Setup([sys.argv[0], *options, str(seeds(kind))], one_line(read))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
