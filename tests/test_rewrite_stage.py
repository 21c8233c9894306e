"""The stage rewrite_model: it removes what an earlier run of it wrote, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import base_model_settings, random_space, save_tiny_model, tiny_examples, tiny_masked_lm

from gradiend.backbones.loading import load_base_model
from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.predictions import COLUMNS, shown_examples, top_predictions
from gradiend.settings import RewriteModel
from gradiend.stages.rewrite_model import SHOWN, run
from gradiend.tables import read_table, write_table

NOTHING = {"learning_rate": None, "feature_factor": None, "reason": "nothing passes"}
CHOICE = {"learning_rate": 0.1, "feature_factor": 1.0, "reason": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base model and a GRADIEND over it."""
    save_tiny_model(tmp_path / "base")
    GradiendModel(random_space(tiny_masked_lm(), 0.1), GradiendConfig(("female", "male"))).initialise(
        0
    ).save_pretrained(tmp_path / "model")
    return tmp_path


def rewrite(folder: Path, **choices: Any) -> str:
    """The stage's line; `choices` are by class and direction, the others are not made."""
    made = {name: choices.get(name, {"strengthen": NOTHING}) for name in ("female", "male")}
    write_json(folder / "decoder.json", made)
    return rewrite_chosen(folder)


def rewrite_chosen(folder: Path) -> str:
    """The stage's line, of the choices that are there."""
    settings = RewriteModel(base_model_settings(folder / "base"))
    write_table(folder / "examples.parquet", tiny_examples().assign(split="test"))
    return run(
        settings=settings,
        model=folder / "model",
        decoder=folder / "decoder.json",
        examples=folder / "examples.parquet",
        predictions=folder / "rewritten/predictions.parquet",
        out=folder / "rewritten/summary.json",
    )


def names(folder: Path) -> set[str]:
    return {str(mark.parent.relative_to(folder)) for mark in folder.rglob("gradiend.json")}


def test_only_what_is_chosen_now_stays_of_what_was_chosen_before(folder: Path) -> None:
    assert rewrite(folder, female={"strengthen": CHOICE, "weaken": CHOICE}).endswith(": female, weaken/female")
    assert names(folder / "rewritten") == {"female", "weaken/female"}
    assert rewrite(folder, male={"strengthen": CHOICE}) == "rewrite_model: 1 written: male"
    assert names(folder / "rewritten") == {"male"}


def test_foreign_files_stay_and_partial_folders_of_a_killed_run_go(folder: Path) -> None:
    for name in ("notes/mine.txt", "summary.txt", ".female.1.partial/model.safetensors", "weaken/paper.tex"):
        (folder / "rewritten" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "rewritten" / name).touch()
    rewrite(folder, male={"strengthen": CHOICE})
    found = {path.name for path in (folder / "rewritten").iterdir()}
    assert found == {"notes", "summary.txt", "weaken", "male", "summary.json", "predictions.parquet"}
    assert (folder / "rewritten/weaken/paper.tex").exists()


def test_a_foreign_folder_in_the_way_is_an_error_and_stays_and_nothing_looks_finished(folder: Path) -> None:
    rewrite(folder)
    (folder / "rewritten/female").mkdir()
    (folder / "rewritten/female/mine.txt").touch()
    with pytest.raises(GradiendError, match=r"rewritten/female: is in the way, and was not written by rewrite_model"):
        rewrite(folder, female={"strengthen": CHOICE})
    assert (folder / "rewritten/female/mine.txt").exists()
    assert not (folder / "rewritten/summary.json").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "its choices are for no class: should be those for 'female' and 'male'"),
        ({"base": {}, "neutral": []}, "its choices are for no class"),
        ({"cat": {"strengthen": CHOICE}, "dog": {"strengthen": CHOICE}}, "its choices are for 'cat' and 'dog'"),
        ({"female": {"strengthen": CHOICE}}, "its choices are for 'female': should be"),
        ({"female": {"weaken": CHOICE}, "male": []}, "male: should have strengthen or weaken alone"),
        ({"female": {"weaken": CHOICE}, "male": {"..": CHOICE}}, "male: should have strengthen or weaken alone"),
        ({"balance": {"strengthen": CHOICE}}, "balance: should have balance alone"),
        ({"female": {"weaken": CHOICE}, "male": {"weaken": None}}, "male: weaken: learning_rate and feature_factor"),
        *(
            ({"female": {"weaken": CHOICE}, "male": {"weaken": CHOICE | wrong}}, "male: weaken: learning_rate and")
            for wrong in ({"learning_rate": "0.1"}, {"learning_rate": None}, {"feature_factor": True}, {"reason": 1})
        ),
        ({"female": {"weaken": CHOICE}, "male": {"weaken": {"learning_rate": 0.1}}}, "has no 'feature_factor'"),
    ],
)
def test_choices_of_other_classes_or_that_are_none_are_refused_before_anything_is_written(
    folder: Path, content: Any, said: str
) -> None:
    rewrite(folder, male={"strengthen": CHOICE})
    write_json(folder / "decoder.json", content)
    with pytest.raises(GradiendError, match=rf"decoder\.json: {said}.*; delete it and run again$"):
        rewrite_chosen(folder)
    assert names(folder / "rewritten") == {"male"}


def test_a_summary_that_only_balances_is_written(folder: Path) -> None:
    write_json(folder / "decoder.json", {"balance": {"balance": CHOICE}, "base": {}, "lms_ratio": 0.9})
    assert rewrite_chosen(folder) == "rewrite_model: 1 written: balance"


def test_the_summary_says_what_was_not_written_and_why(folder: Path) -> None:
    assert rewrite(folder, male={"strengthen": CHOICE}) == "rewrite_model: 1 written: male"
    summary = read_json(folder / "rewritten/summary.json")
    assert summary["female"]["strengthen"] == {"folder": None, **NOTHING}
    assert json.loads((folder / "rewritten/male/gradiend.json").read_text())["learning_rate"] == 0.1


def test_the_predictions_are_those_of_the_base_model_and_of_each_written_model(folder: Path) -> None:
    rewrite(folder, female={"strengthen": CHOICE | {"learning_rate": 30.0}})
    table = read_table(folder / "rewritten/predictions.parquet")
    assert set(zip(table["target_class"], table["direction"], strict=True)) == {
        ("base", "base"),
        ("female", "strengthen"),
    }
    shown = shown_examples(tiny_examples().assign(split="test"), ("female", "male"), SHOWN)
    own = load_base_model(base_model_settings(folder / "rewritten/female"), device="cpu")
    loaded = top_predictions(own, shown)
    written = table[table["target_class"] == "female"].reset_index(drop=True)[list(COLUMNS)]
    pd.testing.assert_frame_equal(loaded, written, rtol=1e-5)
    assert not loaded.equals(top_predictions(tiny_masked_lm(), shown))


def test_where_nothing_was_chosen_there_is_no_prediction(folder: Path) -> None:
    rewrite(folder)
    assert read_table(folder / "rewritten/predictions.parquet").empty
