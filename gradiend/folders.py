"""Folders of results: where they may lie and what may be replaced, so that nothing of the user's is ever removed."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gradiend.errors import GradiendError
from gradiend.files import read_json

GRADIEND_FILES = ("model.safetensors", "space.safetensors", "config.json", "training.json")
_OF_THE_PIPELINE = (
    "benchmarks",
    "comparison",
    "data",
    "decoder",
    "demo",
    "encoder",
    "gradients",
    "inputs",
    "logs",
    "plots",
    "pruning",
    "records",
    "shared",
    "tuning",
)
_TAKEN = {
    "output_dir": (*_OF_THE_PIPELINE, "rewritten", "seeds", "report.html"),
    "seed_runs_dir": (*_OF_THE_PIPELINE, "rewritten", "seeds/best", "model", "report.html"),
}
_DEFAULTS = {"output_dir": "model", "seed_runs_dir": "seeds"}


def require_replaceable(folder: Path) -> None:
    """Raise `GradiendError` where a GRADIEND is to be written to what is neither empty nor a GRADIEND's folder."""
    if folder.exists() and not folder.is_dir():
        raise GradiendError(f"{folder}: is a file, but a GRADIEND's folder is to be written there: give another path")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    own = GRADIEND_FILES if _is_of_a_gradiend(folder / "config.json") else ("training.json",)
    for name in names:
        if name not in own:
            raise GradiendError(
                f"{folder}: holds '{name}', which is not of a GRADIEND, and would be removed: "
                "give a folder of its own (training_arguments.output_dir), or move the file away"
            )


def _is_of_a_gradiend(config: Path) -> bool:
    """Other models have a config.json and a model.safetensors, too."""
    try:
        return "target_classes" in read_json(config)
    except GradiendError:
        return False


def misplaced(
    experiment_dir: str, runs: Iterable[str], output_dir: str | None, seed_runs_dir: str | None
) -> dict[str, str]:
    """What is wrong with the folders that the user may move, by setting; `runs` have theirs in experiment_dir."""
    roots = [experiment_dir, *(os.path.join(experiment_dir, run) for run in runs)]
    given = {"output_dir": output_dir, "seed_runs_dir": seed_runs_dir}
    moved = {setting: folder for setting, folder in given.items() if folder is not None}
    found = {}
    for setting, folder in moved.items():
        problem = next(_problems(setting, folder, roots), None)
        if problem is not None:
            found[setting] = f"'{folder}' {problem}: give a folder of its own, such as {_own(experiment_dir, setting)}"
    if not found and len(moved) == 2 and _overlap(*moved.values()):
        text = f"'{output_dir}' and seed_runs_dir '{seed_runs_dir}' are the same or in each other: give two folders"
        found["output_dir"] = text
    return found


def in_inputs(written: Mapping[str, str | None], read: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with folders that are written to, by setting: results in a folder that is read would be inputs."""
    found = {}
    for setting, folder in written.items():
        for other, source in read.items():
            if folder is not None and _inside(folder, source):
                found[setting] = (
                    f"'{folder}' is in {other} '{source}', of which every file is read: give a folder outside it"
                )
    return found


def _problems(setting: str, folder: str, roots: list[str]) -> Iterator[str]:
    if _inside(os.getcwd(), folder):
        yield "is or holds the working directory"
    for root in roots:
        if _inside(root, folder):
            yield f"is or holds experiment_dir '{root}'"
        for name in _TAKEN[setting]:
            if _inside(folder, os.path.join(root, name)):
                yield f"is in '{os.path.join(root, name)}', which the pipeline itself writes"


def _own(experiment_dir: str, setting: str) -> str:
    return f"'{os.path.join(experiment_dir, _DEFAULTS[setting])}'"


def _overlap(one: str, other: str) -> bool:
    return _inside(one, other) or _inside(other, one)


def _inside(path: str, folder: str) -> bool:
    """Whether a path is the folder or in it."""
    inner, outer = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return inner == outer or outer in inner.parents
