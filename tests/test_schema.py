"""The JSON schema of a config file: current, right about right configs, and right about wrong ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_files import COMPLETE, MINIMAL, WRONG_VALUES, changed
from jsonschema import Draft202012Validator

from gradiend.config import load_runs
from gradiend.experiment import ExperimentConfig
from gradiend.schema import config_schema, main
from gradiend.validation import settings_below

ROOT = Path(__file__).parents[1]
FILE = ROOT / "workflow" / "schemas" / "config.schema.json"
VALIDATOR = Draft202012Validator(config_schema())
MERGED = {"class_merge_map": {"a": ["x"], "b": ["y", "z"]}}
RIGHT: list[dict[str, Any]] = [
    {},
    {"model": {"name": "bert", "revision": "main", "trust_remote_code": True, "device_map": "auto"}},
    {"data.source": {"female": "f.csv", "male": "m.csv"}},
    {"training_arguments.learning_rate": "auto"},
    {"training_arguments.learning_rate": "1e-4"},
    {"training_arguments.pre_prune_config": {"topk": 100}},
    {"training_arguments.pre_prune_config": {"topk": None, "threshold": 0.1}},
    {"training_arguments": MERGED, "target_classes": None},
    {"training_arguments": {"experiment_dir": "results"}, "experiment_dir": None},
    {"training_arguments": None, "decoder": None, "shards": None, "runs": None, "matrix": None},
    {"decoder": {"learning_rates": None, "directions": ["strengthen", "balance"], "feature_factors": {"male": 1}}},
    {"runs": {"a": {"training_arguments": {"seed": 1}}, "b": None, "c": {"model": {"revision": "v1"}}}},
    {"data": None, "runs": {"a": {"data": {"source": "a.csv"}}}},
    {"matrix": {"training_arguments.seed": [1, 2], "model": ["a", {"name": "b"}], "data.columns.text": ["t"]}},
    {"matrix": {"training_arguments.pre_prune_config": [None, {"topk": 0.1}]}},
]


def without_nothing(raw: dict[str, Any]) -> dict[str, Any]:
    """Without the keys whose null only says that they are not there."""
    return {
        key: value for key, value in raw.items() if value is not None or key not in ("data", "experiment_dir", "model")
    }


def test_the_file_is_what_the_types_say() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == config_schema(), "run python -m gradiend.schema > " + str(
        FILE
    )


def test_the_command_prints_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert capsys.readouterr().out == FILE.read_text(encoding="utf-8")


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(config_schema())


def test_the_default_config_is_valid() -> None:
    VALIDATOR.validate(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("**/*.yaml")), ids=lambda file: file.stem)
def test_the_example_configs_are_valid(file: Path) -> None:
    raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    VALIDATOR.validate(raw)
    assert load_runs(raw, file.name)


@pytest.mark.parametrize("changes", RIGHT)
def test_a_right_config_is_valid_and_can_be_loaded(changes: dict[str, Any]) -> None:
    raw = without_nothing(changed(MINIMAL, changes))
    VALIDATOR.validate(raw)
    assert load_runs(raw, "config.yaml")


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, value, _ in WRONG_VALUES])
def test_a_config_with_a_wrong_value_is_not_valid(path: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(MINIMAL, {path: value}))


def test_every_setting_is_described() -> None:
    parts = [config_schema(), *config_schema()["$defs"].values()]
    settings = {name: schema for part in parts for name, schema in part.get("properties", {}).items()}
    assert {path[-1] for path in settings_below(ExperimentConfig)} <= set(settings)
    described = [part for part in parts if part.get("title") or part.get("additionalProperties") is False]
    assert all(inner.get("description") for part in described for inner in part["properties"].values())


def test_the_complete_config_of_the_tests_is_valid() -> None:
    VALIDATOR.validate(COMPLETE)
