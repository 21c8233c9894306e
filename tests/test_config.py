"""Config files: runs, merging, the command line's strings, and one line about whatever is wrong."""

import datetime
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_files import COMPLETE, MINIMAL, WRONG_TOGETHER, WRONG_VALUES, changed
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend.config import load_runs, parse_config
from gradiend.errors import GradiendError
from gradiend.experiment import ExperimentConfig
from gradiend.resolution import stage_settings
from gradiend.settings import STAGES, canonical, read_settings
from gradiend.validation import settings_below

LIBRARY_WORDS = re.compile(
    r"constrained|function-|ArgsKwargs|Input should|pydantic|type=|validation error|dataclass|instance of|valid string"
)
PATHS = [".".join(path) for path in settings_below(ExperimentConfig)]
SPELT = st.sampled_from(["null", "1e-4", "true"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | SPELT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
YAML = JSON | st.dates() | st.binary(max_size=2) | st.dictionaries(st.none() | st.integers() | st.booleans(), JSON)


def message(raw: Any) -> str:
    with pytest.raises(GradiendError) as caught:
        load_runs(raw, "config.yaml")
    return str(caught.value)


def only_run(raw: dict[str, Any]) -> ExperimentConfig:
    return load_runs(raw, "config.yaml")[""]


# What is wrong


@pytest.mark.parametrize(("path", "value", "rest"), WRONG_VALUES)
def test_a_wrong_value_is_one_line_with_key_value_and_what_is_right(path: str, value: Any, rest: str) -> None:
    assert message(changed(MINIMAL, {path: value})) == f"config.yaml: {path}{rest}"


@pytest.mark.parametrize(("changes", "expected"), WRONG_TOGETHER)
def test_a_contradiction_is_one_line_that_says_what_to_do(changes: dict[str, Any], expected: str) -> None:
    assert message(changed(MINIMAL, changes)) == f"config.yaml: {expected}"


@pytest.mark.parametrize("raw", [[1], "text", 3, None, True])
def test_a_file_that_is_no_mapping_is_refused(raw: Any) -> None:
    assert "is wrong: should be a mapping" in message(raw)


@pytest.mark.parametrize("key", [False, True, None, 0, 1.5, b"a", datetime.date(2026, 1, 1)])
def test_a_key_that_is_no_text_is_unknown(key: Any) -> None:
    for raw in ({**MINIMAL, key: 1}, changed(MINIMAL, {"data.columns": {key: 1}})):
        assert "unknown setting" in message(raw)


def test_all_mistakes_are_named_at_once() -> None:
    assert message({}).count("is missing") == 4


def test_a_mistake_at_the_top_is_not_blamed_on_the_run() -> None:
    wrong = changed(MINIMAL, {"shards": 0, "runs": {"a": {"training_arguments": {"seed": 1}}}})
    assert message(wrong) == "config.yaml: shards: 0 is wrong: should be an integer >= 1"


def test_what_only_the_runs_could_give_is_missing_in_the_run() -> None:
    assert message(changed(MINIMAL, {"data": None, "runs": {"a": {}}})).startswith(
        "config.yaml: runs.a.data: is missing"
    )


def test_a_surrogate_and_a_huge_integer_are_refused() -> None:
    assert "is wrong: should be text" in message(changed(MINIMAL, {"experiment_dir": "\ud800"}))
    assert "is wrong: should be an integer >= 1" in message(changed(MINIMAL, {"shards": 10**5000}))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from([*PATHS, "runs", "matrix", "runs.a", "runs.a.model", "matrix.model", "other"]), YAML)
def test_any_value_anywhere_gives_a_config_or_one_line(path: str, value: Any) -> None:
    try:
        runs = load_runs(changed(COMPLETE, {path: value}), "config.yaml")
    except GradiendError as error:
        assert str(error).startswith("config.yaml: ")
        assert len(str(error).splitlines()) == 1
        assert not LIBRARY_WORDS.search(str(error).replace(repr(value), ""))
    else:
        assert all(settings_come_back(config) for config in runs.values())


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from([*MINIMAL, "training_arguments", "decoder", "shards", "runs", "matrix"]), YAML))
def test_any_mapping_gives_a_config_or_one_line(raw: dict[str, Any]) -> None:
    try:
        load_runs(raw, "config.yaml")
    except GradiendError as error:
        assert len(str(error).splitlines()) == 1


def settings_come_back(config: ExperimentConfig) -> bool:
    """Whether the settings of all stages can be written and read."""
    stages = [s for s in STAGES if s != "cache_importance" or config.training_arguments.pre_prune_config]
    made = [stage_settings(stage, config) for stage in stages]
    return all(read_settings(type(one), canonical(one)) == one for one in made)


# What is right


def test_the_default_config_and_the_minimal_one_are_one_run_without_an_id() -> None:
    default = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text())
    assert list(load_runs(default, "config.yaml")) == [""]
    assert only_run(MINIMAL) == parse_config(MINIMAL, "elsewhere")


@pytest.mark.parametrize("nothing", [None, {}, "null"])
def test_empty_runs_and_matrix_are_no_runs(nothing: Any) -> None:
    assert list(load_runs({**MINIMAL, "runs": nothing, "matrix": nothing}, "config.yaml")) == [""]


def test_null_at_the_top_is_the_default() -> None:
    nulls = {"training_arguments": None, "decoder": None, "shards": None}
    assert only_run({**MINIMAL, **nulls}) == only_run(MINIMAL)


def test_a_tilde_is_the_home_folder_in_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    paths = {"model": "~/bert", "data": {"source": {"a": "~/a.csv"}, "neutral": "~/n.csv"}, "experiment_dir": "~/out"}
    read = only_run(MINIMAL | paths)
    assert (read.model.name, read.experiment_dir) == ("/home/me/bert", "/home/me/out")
    assert (read.data.source, read.data.neutral) == ({"a": "/home/me/a.csv"}, "/home/me/n.csv")
    assert only_run(MINIMAL).data.source == "pronouns.csv"


def test_experiment_dir_may_stand_among_the_training_arguments() -> None:
    raw = {key: value for key, value in MINIMAL.items() if key != "experiment_dir"}
    assert only_run({**raw, "training_arguments": {"experiment_dir": "out"}}).experiment_dir == "out"


COMMAND_LINE = {
    "learning_rate": ("1e-4", 1e-4),
    "num_train_epochs": ("5", 5),
    "max_steps": ("1e3", 1000),
    "seed": ("null", None),
    "do_eval": ("false", False),
    "normalize_gradiend": ("true", True),
    "train_max_size": ("~", None),
    "output_dir": ("None", None),
    "params": ("null", None),
    "class_merge_map": ("null", None),
    "pre_prune_config": ("null", None),
    "convergent_score_threshold": ("-0.5", -0.5),
}


@pytest.mark.parametrize(("name", "text", "value"), [(name, *pair) for name, pair in COMMAND_LINE.items()])
def test_text_from_the_command_line_is_the_value_that_it_spells(name: str, text: str, value: Any) -> None:
    arguments = only_run(changed(MINIMAL, {f"training_arguments.{name}": text})).training_arguments
    assert getattr(arguments, name) == value
    assert type(getattr(arguments, name)) is type(value)


def test_text_in_lists_and_nested_settings_is_read_too() -> None:
    raw = changed(MINIMAL, {"training_arguments.pre_prune_config": {"topk": "1", "n_samples": "64"}, "shards": "2"})
    read = only_run(changed(raw, {"decoder": {"learning_rates": ["1e-2", "5"], "lms_ratio": "0.9"}}))
    prune = read.training_arguments.pre_prune_config
    assert prune is not None
    assert (prune.topk, type(prune.topk), prune.n_samples, read.shards) == (1, int, 64, 2)
    assert (read.decoder.learning_rates, read.decoder.lms_ratio) == ([0.01, 5.0], 0.9)


@pytest.mark.parametrize(("given_topk", "kind"), [(1, int), (1.0, float), ("1", int), ("1.0", float)])
def test_topk_one_is_an_entry_and_one_point_zero_is_all_of_them(given_topk: Any, kind: type) -> None:
    raw = changed(MINIMAL, {"training_arguments.post_prune_config": {"topk": given_topk}})
    prune = only_run(raw).training_arguments.post_prune_config
    assert prune is not None
    assert type(prune.topk) is kind


def test_dates_are_no_text() -> None:
    assert "should be text" in message(
        changed(MINIMAL, {"model": {"name": "a", "revision": datetime.date(2026, 1, 1)}})
    )


# Runs


def test_a_run_is_merged_deeply_over_the_top_level() -> None:
    top = changed(MINIMAL, {"training_arguments": {"seed": 3, "pre_prune_config": {"topk": 5, "source": "diff"}}})
    run = {"training_arguments": {"pre_prune_config": {"topk": None, "threshold": "1e-3"}, "max_seeds": 2}}
    runs = load_runs({**top, "runs": {"a": run, "b": None}}, "config.yaml")
    assert list(runs) == ["a", "b"]
    arguments = runs["a"].training_arguments
    assert arguments.pre_prune_config is not None
    assert (arguments.seed, arguments.max_seeds) == (3, 2)
    assert (arguments.pre_prune_config.threshold, arguments.pre_prune_config.source) == (1e-3, "diff")
    assert runs["b"] == only_run(top)


def test_a_run_may_give_what_the_top_level_leaves_out() -> None:
    top = {key: value for key, value in MINIMAL.items() if key != "data"}
    runs = load_runs({**top, "runs": {"a": {"data": {"source": "a.csv"}}}}, "config.yaml")
    assert runs["a"].data.source == "a.csv"


def test_a_run_replaces_a_model_by_its_name_and_changes_it_by_a_mapping() -> None:
    runs = {"other": {"model": "gpt2"}, "old": {"model": {"revision": "v1"}}}
    by_name = load_runs({**MINIMAL, "runs": runs}, "config.yaml")
    assert (by_name["other"].model.name, by_name["old"].model.name, by_name["old"].model.revision) == (
        "gpt2",
        "bert",
        "v1",
    )
    by_mapping = load_runs({**MINIMAL, "model": {"name": "bert", "revision": "v2"}, "runs": runs}, "config.yaml")
    assert (by_mapping["other"].model.name, by_mapping["other"].model.revision) == ("gpt2", None)


def test_runs_and_the_matrix_add_up() -> None:
    raw = {
        **MINIMAL,
        "runs": {"a": {}},
        "matrix": {"training_arguments.seed": [1, 2], "training_arguments.source": ["diff"]},
    }
    runs = load_runs(raw, "config.yaml")
    assert list(runs) == ["a", "seed=1-source=diff", "seed=2-source=diff"]
    assert [run.training_arguments.seed for run in runs.values()] == [None, 1, 2]


def test_a_matrix_may_vary_a_part_of_what_it_varies_as_a_whole() -> None:
    key = "training_arguments.pre_prune_config"
    raw = {**MINIMAL, "matrix": {key: [{"topk": 0.1}, {"topk": 0.2}], f"{key}.source": ["diff", "factual"]}}
    found = [run.training_arguments.pre_prune_config for run in load_runs(raw, "config.yaml").values()]
    both = [(one.topk, one.source) for one in found if one is not None]
    assert both == [(0.1, "diff"), (0.1, "factual"), (0.2, "diff"), (0.2, "factual")]


def test_an_experiment_may_be_called_demo_and_its_second_call_is_as_right_as_its_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    demo = {"model": "demo", "data": {"source": "demo", "neutral": "demo"}}
    raw = changed(MINIMAL, demo | {"experiment_dir": "demo"})
    first = load_runs(raw, "config.yaml")
    (tmp_path / "demo").mkdir()
    assert load_runs(raw, "config.yaml") == first


def test_results_below_a_link_that_leads_nowhere_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to("scratch")
    with pytest.raises(GradiendError, match="experiment_dir: 'results' is a link to 'scratch', which is not there"):
        load_runs(changed(MINIMAL, {"experiment_dir": "results/a"}), "config.yaml")


def test_loading_leaves_the_given_dict_as_it_was() -> None:
    raw = changed(MINIMAL, {"runs": {"a": {"data": {"source": "b.csv"}}}, "matrix": {"shards": [1, 2]}})
    before = repr(raw)
    load_runs(raw, "config.yaml")
    assert repr(raw) == before


@pytest.mark.parametrize(
    "settings", [{"data": {"source": "read"}}, {"data": {"source": {"a": "read"}}}, {"model": "read"}]
)
@pytest.mark.parametrize("runs", [{}, {"runs": {"one": {}, "two": {}}}])
def test_no_results_go_into_the_folders_that_an_experiment_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], runs: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "read").mkdir()
    with pytest.raises(
        GradiendError, match=r"config\.yaml: experiment_dir: 'read/out' is in (data|model).* 'read', of which"
    ):
        load_runs({**MINIMAL, **settings, **runs, "experiment_dir": "read/out"}, "config.yaml")


@pytest.mark.parametrize("folder", ["file", "file/below/it"])
def test_results_cannot_be_written_to_a_file_or_below_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(
        GradiendError, match=r"config\.yaml: experiment_dir: 'file' is a file, and results need a folder"
    ):
        load_runs({**MINIMAL, "experiment_dir": folder}, "config.yaml")
