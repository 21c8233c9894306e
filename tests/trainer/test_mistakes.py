"""What a user gets wrong is said in one line, before anything is computed."""

from pathlib import Path
from typing import Any

import pytest
from tiny import story_examples
from trainers import CLASSES, MakeTrainer

from gradiend import (
    GradiendError,
    ModelWithGradiend,
    TextPredictionTrainer,
    TrainingArguments,
    create_model_with_gradiend,
)

pytestmark = pytest.mark.xdist_group("trainer")

TEXT = "the old nurse came home today and [MASK] was happy ."


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"args": {"experiment_dir": "x"}}, r"training_args: a dict is wrong: should be gradiend.TrainingArguments"),
        ({"columns": {"masked": "sentence"}}, r"columns: a dict is wrong: should be gradiend.Columns\(\.\.\.\)"),
        ({"decoder": {"lms_ratio": 0.9}}, r"decoder: a dict is wrong: should be gradiend.DecoderConfig\(\.\.\.\)"),
        ({"control": 3}, r"control: a int is wrong: should be gradiend.ControlConfig\(\.\.\.\)"),
        ({"model": None}, "model: a NoneType is wrong: should be an id, a folder"),
        ({"target_classes": "MF"}, "target_classes: 'MF' is wrong: should be a list of the two to separate"),
        ({"run_id": 3}, "run_id: 3 is no run id"),
        ({"run_id": "data"}, "run_id: 'data' is a folder of the pipeline"),
    ],
)
def test_what_is_of_a_wrong_kind_is_named(given: dict[str, Any], message: str, model: Path, tmp_path: Path) -> None:
    arguments = TrainingArguments(experiment_dir=str(tmp_path))
    wanted = {"model": model, "args": arguments, "target_classes": CLASSES, "data": story_examples()} | given
    with pytest.raises(GradiendError, match=message):
        TextPredictionTrainer(**wanted)
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_needs_a_folder(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(GradiendError, match=r"experiment_dir: '.*notes' is a file: give a folder"):
        make_trainer(tmp_path / "notes")


def test_results_in_the_folder_of_the_base_model_are_refused(make_trainer: MakeTrainer, model: Path) -> None:
    with pytest.raises(GradiendError, match=r"experiment_dir: '.*out' is in model '.*', of which every file is read"):
        make_trainer(model / "out")


def test_a_pattern_alone_is_no_list(model: Path) -> None:
    with pytest.raises(GradiendError, match=r"param_map: 'bert\.\*' is wrong: should be a list, \['bert\.\*'\]"):
        create_model_with_gradiend(model, param_map="bert.*")


def test_a_misspelt_keyword_names_the_nearest(model: Path) -> None:
    with pytest.raises(TypeError, match=r"__init__: no keyword 'traning_args' \(did you mean 'training_args'\?\)"):
        TextPredictionTrainer(model, "data.csv", traning_args=TrainingArguments())  # type: ignore[call-arg]


def test_a_model_class_is_one_of_models_with_a_gradiend(model: Path) -> None:
    for wrong, name in ((dict, "dict"), ("bert", "'bert'")):
        with pytest.raises(GradiendError, match=f"model_class: {name} is wrong: should be ModelWithGradiend or a sub"):
            create_model_with_gradiend(model, model_class=wrong)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([], r"decoder_results: \[\]: give what evaluate_decoder\(\) gave"),
        ({}, "nothing was chosen to strengthen 'female': decoder_results do not hold it"),
        ({"female": 0.1}, r"decoder_results\['female'\]: 0.1: give what"),
        ({"female": {"weaken": {}}}, "decoder_results do not hold it"),
        ({"female": {"strengthen": 0.1}}, r"decoder_results\['female'\]\['strengthen'\]: 0.1: give what"),
        ({"female": {"strengthen": {"learning_rate": 0.1}}}, r"\['strengthen'\]: keys \['learning_rate'\]: give what"),
    ],
)
def test_results_that_are_not_of_the_decoder_evaluation_are_refused(
    trained: TextPredictionTrainer, results: Any, message: str
) -> None:
    with pytest.raises(GradiendError, match=message):
        trained.rewrite_base_model(results, target_class="female")


def test_a_learning_rate_is_a_number(trained: TextPredictionTrainer) -> None:
    choice = {"learning_rate": "big", "feature_factor": 1.0, "reason": None}
    with pytest.raises(GradiendError, match=r"\['strengthen'\]\['learning_rate'\]: 'big': give what"):
        trained.rewrite_base_model({"female": {"strengthen": choice}}, target_class="female")


def test_a_folder_without_a_gradiend_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match="no such folder: give that of a GRADIEND"):
        ModelWithGradiend.from_pretrained(tmp_path / "nothing")
    with pytest.raises(GradiendError, match="no GRADIEND is in it"):
        ModelWithGradiend.from_pretrained(model)


def test_every_text_needs_a_label(trained: TextPredictionTrainer) -> None:
    own = trained.get_model()
    for texts, labels in (([TEXT, TEXT], ["she"]), ([TEXT, TEXT], "she"), ([], [])):
        with pytest.raises(GradiendError, match="give one label for each text, and at least one text"):
            own.encode(texts, labels)


def test_a_label_that_the_base_model_does_not_know_is_named(trained: TextPredictionTrainer) -> None:
    own = trained.get_model()
    with pytest.raises(GradiendError, match=r"^label 'zzz' is not in the base model's vocabulary"):
        own.encode(TEXT, "zzz")
    with pytest.raises(GradiendError, match=r"encode: label: 3 is wrong: should be a text, or a list of texts"):
        own.encode(TEXT, 3)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match=r"encode: 'she was' is 2 tokens of the base model \(she was\): if you"):
        own.encode(TEXT, "she was")


def test_a_device_is_named_as_torch_does(trained: TextPredictionTrainer) -> None:
    import torch

    folder = trained.experiment_dir / "model"
    ModelWithGradiend.from_pretrained(folder, device=torch.device("cpu"))  # type: ignore[arg-type]
    with pytest.raises(GradiendError, match=r"device_base_model \(or device\): '0'"):
        ModelWithGradiend.from_pretrained(folder, device=0)  # type: ignore[arg-type]


def test_a_format_that_there_is_not_is_refused(trained: TextPredictionTrainer, tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"format: 'other' is wrong: should be one of \['gradiend', 'aieng-lab'\]"):
        trained.get_model().save_pretrained(tmp_path / "out", format="other")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
