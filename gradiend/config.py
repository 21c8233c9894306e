"""Config files -> one validated `ExperimentConfig` per run, with one-line errors that name key and value."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gradiend.errors import GradiendError
from gradiend.experiment import ExperimentConfig, written_out
from gradiend.folders import in_inputs, misplaced
from gradiend.matrix import decides, merged, product, same
from gradiend.model_files import DEMO_MODELS
from gradiend.validation import Path, line, problems, shown
from gradiend.values import read_null

RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=-]{0,149}")
PERIODIC = re.compile(r"(.+)\1{19}$")  # Snakemake takes such a wildcard for an endless recursion
FOLDERS = ("benchmarks", "comparison", "demo", "index.html", "logs", "shared")  # of the pipeline, beside the runs'
_EXPERIMENT = TypeAdapter(ExperimentConfig)


@dataclass(frozen=True)
class _Place:
    """Where settings come from: the file, and the key of the run with the changes that it makes, if any."""

    origin: str
    run: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def error(self, problems: Mapping[Path, str]) -> GradiendError:
        """One line about all of them, in which a setting stands below the run where the run sets it."""
        lines = [line((self.run, *path) if self._blamed(path, text) else path, text) for path, text in problems.items()]
        return GradiendError(f"{self.origin}: {'; '.join(lines)}")

    def _blamed(self, path: Path, text: str) -> bool:
        return bool(self.run) and (text.startswith("is missing") or decides(self.changes, path))


def load_runs(raw: Mapping[str, Any], origin: str) -> dict[str, ExperimentConfig]:
    """Run id -> its config; without `runs` and `matrix` one run, whose id is empty.

    `raw` is the parsed config file and `origin` its name, for messages. Run-level settings are merged
    deeply over the top level before anything is validated. Raises `GradiendError`.
    """
    place = _Place(origin)
    top = dict(_mapping(raw, place, ()))
    runs, matrix = top.pop("runs", None), top.pop("matrix", None)
    changes = {f"runs.{run}": (run, own) for run, own in _named(runs, place).items()}
    changes |= {f"matrix[{run}]": (run, own) for run, own in _combined(matrix, place).items()}
    if not changes:
        config = _parsed(top, place, ("runs", "matrix"))
        _check_places(config, [], place)
        _check_folders(config, place)
        return {"": config}
    configs: dict[str, ExperimentConfig] = {}
    for key, (run, own) in changes.items():
        if PERIODIC.search(run):
            raise place.error({(key,): f"'{run}' ends in the same characters 20 times or more: choose another run id"})
        if run in configs:
            raise place.error({("runs", run): "is also a run of the matrix: choose another run id"})
        if read_null(own.get("comparison")) is not None:
            raise _Place(origin, key, own).error({("comparison",): "is about all runs together: put it at the top"})
        configs[run] = _parsed(_over(top, own), _Place(origin, key, own))
        _check_folders(configs[run], _Place(origin, key, own))
        _check_same_folders(configs, run, _Place(origin, key, own))
    _check_places(configs[run], list(configs), _Place(origin, key, own))
    return configs


def parse_config(raw: Mapping[str, Any], origin: str) -> ExperimentConfig:
    """One run's config from plain dicts. Raises `GradiendError`: `origin: key: what is wrong, what is right`."""
    place = _Place(origin)
    return _parsed(_mapping(raw, place, ()), place)


def require_writable(runs: Mapping[str, ExperimentConfig], origin: str) -> None:
    """Raise `GradiendError` where nothing can be written to a folder of results."""
    folders = _folders(next(iter(runs.values())))
    found = {path: text for path, folder in folders.items() if folder and (text := unwritable(folder))}
    if found:
        raise _Place(origin).error(found)


def unwritable(folder: str) -> str | None:
    """What is wrong with a folder, there or not, to which nothing can be written; else None."""
    above = nearest_folder(os.path.abspath(folder))
    if text := no_folder(folder):
        return text
    if os.access(above, os.W_OK | os.X_OK):
        return None
    return f"nothing can be written to '{above}': change its permissions, or give another folder"


def no_folder(folder: str) -> str | None:
    """What is wrong with a folder that is a file, or below one; else None."""
    there = folder
    while there and not os.path.lexists(there):
        there = os.path.dirname(there)
    if os.path.isdir(there or "."):
        return None
    what = "a file" if os.path.exists(there) else f"a link to '{os.readlink(there)}', which is not there"
    return f"'{there}' is {what}, and results need a folder: give another one"


def nearest_folder(path: str) -> str:
    """The absolute path if it is a folder, or the nearest folder above it."""
    return path if os.path.isdir(path) else nearest_folder(os.path.dirname(path))


def _parsed(raw: Mapping[str, Any], place: _Place, more: Sequence[str] = ()) -> ExperimentConfig:
    """`more` are keys that may have been meant besides the settings."""
    given = {key: value for key, value in raw.items() if read_null(value) is not None}
    given = written_out(_with_folder(given, place))
    try:
        return _EXPERIMENT.validate_python(given)
    except ValidationError as error:
        raise place.error(problems(ExperimentConfig, given, error, more)) from None


def _with_folder(given: dict[str, Any], place: _Place) -> dict[str, Any]:
    """`experiment_dir` may stand among the training arguments, too."""
    arguments, outer = given.get("training_arguments"), given.get("experiment_dir")
    inner = read_null(arguments.get("experiment_dir")) if isinstance(arguments, Mapping) else None
    if inner is None:
        return given
    if outer is not None and outer != inner:
        text = f"{shown(outer)} and training_arguments.experiment_dir {shown(inner)} differ: give one of them"
        raise place.error({("experiment_dir",): text})
    return {**given, "experiment_dir": inner}


def _named(runs: Any, place: _Place) -> dict[str, Mapping[str, Any]]:
    """Run id -> its changes."""
    named: dict[str, Mapping[str, Any]] = {}
    for key, changes in _mapping(runs, place, ("runs",)).items():
        run = str(key)
        if not RUN_ID.fullmatch(run):
            raise place.error({("runs",): f"{shown(run)} is no run id: use letters, digits, _ . = and -, at most 150"})
        if run in FOLDERS:
            raise place.error({("runs",): f"'{run}' is a folder of the pipeline: choose another run id"})
        if run in named:
            raise place.error({("runs",): f"'{run}' is there more than once"})
        named[run] = _mapping(changes, place, ("runs", run))
    return named


def _combined(matrix: Any, place: _Place) -> dict[str, dict[str, Any]]:
    """Run id -> the changes of one combination of the matrix."""
    matrix = _mapping(matrix, place, ("matrix",))
    for key, values in matrix.items():
        if not isinstance(values, list) or not values:
            text = f"{shown(values)} is wrong: should be a list of the values to try, not empty"
            raise place.error({("matrix", str(key)): text})
    for key, values in matrix.items():
        for other, above in matrix.items():
            inner = str(key).removeprefix(f"{other}.").split(".")
            if str(key).startswith(f"{other}.") and any(decides(value, inner) for value in above):
                text = f"is also decided by matrix.{other}: vary it in one of the two, or give the runs by name"
                raise place.error({("matrix", str(key)): text})
        for i, value in enumerate(values):
            if any(same(value, other) for other in values[:i]):
                raise place.error({("matrix", str(key)): f"{shown(value)} is there more than once"})
    return product(matrix)


def _mapping(value: Any, place: _Place, path: Path) -> Mapping[str, Any]:
    """A mapping; null is an empty one below the top level."""
    if path and read_null(value) is None:
        return {}
    if not isinstance(value, Mapping):
        raise place.error({path: f"{shown(value)} is wrong: should be a mapping (key: value)"})
    return value


def _over(top: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A run's changes over the top level; a mapping for `model` also over a model given as text."""
    model = top.get("model")
    if isinstance(model, str) and isinstance(changes.get("model"), Mapping):
        top = {**top, "model": {"name": model}}
    return merged(top, changes)


def _check_same_folders(configs: Mapping[str, ExperimentConfig], run: str, place: _Place) -> None:
    firsts = _folders(next(iter(configs.values())))
    for path, folder in _folders(configs[run]).items():
        if folder != firsts[path]:
            right = f"should be {shown(firsts[path])} for all runs; each has a folder of its own in it"
            raise place.error({path: f"{shown(folder)} is wrong: {right}"})


def _check_places(config: ExperimentConfig, runs: Sequence[str], place: _Place) -> None:
    """The folders that may be moved, which all runs share, must lie apart from everything else."""
    arguments = config.training_arguments
    found = misplaced(config.experiment_dir, runs, arguments.output_dir, arguments.seed_runs_dir)
    if found:
        raise place.error({("training_arguments", setting): text for setting, text in found.items()})


def _check_folders(config: ExperimentConfig, place: _Place) -> None:
    """Results go into folders, and not those of the data and of the base model: they would be inputs of the next call.

    Already while the workflow is read: Snakemake cannot plan below a file.
    """
    written = {".".join(path): folder for path, folder in _folders(config).items()}
    found = in_inputs(written, read_folders(config))
    found |= {setting: text for setting, folder in written.items() if folder and (text := no_folder(folder))}
    if found:
        raise place.error({tuple(setting.split(".")): text for setting, text in found.items()})


def read_folders(config: ExperimentConfig) -> dict[str, str]:
    """What are folders that are read as a whole, by setting, or would be once there is one of such a name."""
    source, neutral = config.data.source, config.data.neutral
    named = source if isinstance(source, Mapping) else {"": source}
    found = {f"data.source.{name}".rstrip("."): one for name, one in named.items() if one != "demo"}
    found |= {"model": config.model.name} if config.model.name not in DEMO_MODELS else {}
    return found | ({"data.neutral": neutral} if neutral and neutral != "demo" else {})


def _folders(config: ExperimentConfig) -> dict[Path, str | None]:
    arguments = config.training_arguments
    return {
        ("experiment_dir",): config.experiment_dir,
        ("training_arguments", "output_dir"): arguments.output_dir,
        ("training_arguments", "seed_runs_dir"): arguments.seed_runs_dir,
    }
