"""A whole experiment: classes, model, decoder evaluation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from config_files import MINIMAL, changed

from gradiend.arguments import TrainingArguments
from gradiend.config import parse_config
from gradiend.experiment import (
    DEFAULT_LEARNING_RATES,
    RESERVED,
    Columns,
    DataConfig,
    DecoderConfig,
    ExperimentConfig,
    ModelConfig,
)


def parsed(**changes: Any) -> ExperimentConfig:
    return parse_config(changed(MINIMAL, changes), "config.yaml")


def test_the_defaults_are_the_designs() -> None:
    config = parsed()
    assert config.data == DataConfig(source="pronouns.csv", neutral=None, mask_placeholder="[MASK]", split_by="row")
    assert config.data.too_long == "error"
    assert config.decoder == DecoderConfig(learning_rates=None, lms_ratio=0.99, directions=["strengthen"])
    assert (config.shards, config.model) == (1, ModelConfig(name="bert"))


def test_every_column_is_called_as_in_the_table_of_the_design() -> None:
    names = {"masked", "split", "label", "label_class", "alternative", "alternative_class", "text"}
    assert vars(Columns()).items() >= {name: name for name in names}.items()


def test_the_default_learning_rates_go_from_100_to_a_thousandth_in_steps_of_1_2_5() -> None:
    assert DEFAULT_LEARNING_RATES == (100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


def test_two_keys_of_the_merge_map_are_the_target_classes_in_their_order() -> None:
    merge_map = {"singular": ["1SG", "3SG"], "plural": ["1PL", "3PL"]}
    config = parsed(target_classes=None, training_arguments={"class_merge_map": merge_map})
    assert config.target_classes == ["singular", "plural"]


def test_given_target_classes_win_over_the_merge_map() -> None:
    config = parsed(training_arguments={"class_merge_map": {"male": ["m"], "female": ["f"]}})
    assert config.target_classes == ["female", "male"]


@pytest.mark.parametrize("name", RESERVED)
def test_words_of_the_result_files_are_no_target_classes(name: str) -> None:
    with pytest.raises(Exception, match="is a word of the result files"):
        parsed(target_classes=[name, "other"])


@pytest.mark.parametrize(
    ("model", "arguments", "trusted"),
    [(None, None, False), (None, True, True), (True, None, True), (True, True, True), (False, False, False)],
)
def test_the_models_trust_sets_the_argument(model: bool | None, arguments: bool | None, trusted: bool) -> None:
    given = {} if arguments is None else {"trust_remote_code": arguments}
    config = parsed(model={"name": "a", "trust_remote_code": model}, training_arguments=given)
    assert config.training_arguments.trust_remote_code is trusted


@pytest.mark.parametrize(("model", "arguments"), [(True, False), (False, True), ("true", "False")])
def test_two_different_trusts_are_refused(model: Any, arguments: Any) -> None:
    given = {"trust_remote_code": arguments}
    with pytest.raises(Exception, match=r"trust_remote_code .* differ"):
        parsed(model={"name": "a", "trust_remote_code": model}, training_arguments=given)


def test_parts_can_be_replaced_in_python() -> None:
    config = parsed(model={"name": "a", "trust_remote_code": True})
    moved = replace(config, model=replace(config.model, name="b"), data=replace(config.data, source="c.csv"))
    assert (moved.model.name, moved.data.source, moved.training_arguments) == ("b", "c.csv", config.training_arguments)


def test_a_config_can_be_made_in_python() -> None:
    made = ExperimentConfig(
        experiment_dir="results",
        model=Path("bert"),  # type: ignore[arg-type]
        data=DataConfig(source="pronouns.csv"),
        target_classes=["female", "male"],
        training_arguments=TrainingArguments(),
    )
    assert made == parsed()


def test_a_trust_that_python_withdraws_from_the_arguments_is_refused() -> None:
    model = ModelConfig(name="a", trust_remote_code=False)
    arguments = TrainingArguments(trust_remote_code=True)
    with pytest.raises(ValueError, match=r"false and training_arguments.trust_remote_code true differ"):
        replace(parsed(), model=model, training_arguments=arguments)


def test_feature_factors_may_name_one_of_the_classes() -> None:
    assert parsed(decoder={"feature_factors": {"male": "-1.5"}}).decoder.feature_factors == {"male": -1.5}
