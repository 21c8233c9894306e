"""What is made again, and what is left as it is: settings, data, base model, and other trainers in the folder."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tiny import story_examples
from trainers import CLASSES, SETTINGS, MakeTrainer

from gradiend import GradiendError, TextPredictionTrainer, TrainingArguments

pytestmark = pytest.mark.xdist_group("trainer")


def stamps(folder: Path) -> dict[str, int]:
    """When every result was written."""
    own = [path for path in folder.rglob("*") if path.is_file() and "inputs" not in path.parts]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in own if path.name != "config.yaml"}


def test_the_cache_is_used_only_where_it_is_asked_for(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(tmp_path).train()
    before = stamps(tmp_path)
    make_trainer(tmp_path, use_cache=True).train()
    assert stamps(tmp_path) == before
    make_trainer(tmp_path).train()
    after = stamps(tmp_path)
    assert [name for name in before if after[name] == before[name]] == ["records/digests.json"]


def test_the_cache_keeps_what_a_changed_setting_does_not_change(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(tmp_path, use_cache=True).train()
    before = stamps(tmp_path)
    make_trainer(tmp_path, use_cache=True, learning_rate=0.01).train()
    after = stamps(tmp_path)
    same = {name.split("/")[0] for name in before if after[name] == before[name]} - {"records"}
    assert same == {"data", "pruning", "gradients"}
    make_trainer(tmp_path, use_cache=True, min_convergent_seeds=None, learning_rate=0.01).train()
    assert stamps(tmp_path)["gradients/train/rows.parquet"] == before["gradients/train/rows.parquet"]
    assert json.loads((tmp_path / "seeds" / "seed_report.json").read_text())["seeds_tried"] == [0, 1]


def test_a_report_with_controls_trains_them_and_nothing_else_again(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(tmp_path, use_cache=True).train()
    before = stamps(tmp_path)
    make_trainer(tmp_path, use_cache=True, controls=1).report()
    found = json.loads((tmp_path / "report.json").read_text())["controls"]
    assert [one["seed"] for one in found] == [0] and found[0]["control"]["n"] == found[0]["random_encoder"]["n"]
    after = stamps(tmp_path)
    assert {name: after[name] for name in before} == before
    make_trainer(tmp_path, use_cache=True, controls=1).report()
    assert stamps(tmp_path) == after


def test_nothing_is_evaluated_that_was_trained_otherwise(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(tmp_path).train()
    other = make_trainer(tmp_path, learning_rate=0.01)
    with pytest.raises(GradiendError, match=re.escape(f"{tmp_path}: no GRADIEND that was trained with these settings")):
        other.evaluate_encoder()


@pytest.mark.parametrize("changed", ["data", "base model"])
def test_a_trainer_sees_what_has_changed_since(changed: str, model: Path, tmp_path: Path) -> None:
    data, base = tmp_path / "all.csv", tmp_path / "base"
    story_examples().to_csv(data, index=False)
    shutil.copytree(model, base)
    arguments = TrainingArguments(experiment_dir=str(tmp_path / "out"), use_cache=True, **SETTINGS)
    trainer = TextPredictionTrainer(base, data, target_classes=CLASSES, args=arguments)
    trainer.train()
    if changed == "data":
        story_examples().iloc[6:].to_csv(data, index=False)
    else:
        (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    with pytest.raises(GradiendError, match="no GRADIEND that was trained with these settings, data, base model"):
        trainer.get_model()
    before = stamps(tmp_path / "out")
    trainer.train()
    after = stamps(tmp_path / "out")
    assert after["model/model.safetensors"] != before["model/model.safetensors"]
    assert (after["data/examples.parquet"] != before["data/examples.parquet"]) == (changed == "data")
    again = TextPredictionTrainer(base, data, target_classes=CLASSES, args=arguments)
    again.get_model()  # the records say what was really read


def test_two_trainers_in_one_folder_keep_their_own_data(make_trainer: MakeTrainer, model: Path, tmp_path: Path) -> None:
    whole = make_trainer(tmp_path, use_cache=True)
    whole.pre_prune()
    settings = TrainingArguments(experiment_dir=str(tmp_path), **SETTINGS)
    part = TextPredictionTrainer(model, story_examples().iloc[6:], target_classes=CLASSES, args=settings)
    before = (tmp_path / "config.yaml").read_text()
    whole.pre_prune()
    assert len(pd.read_parquet(part.config.data.source)) + 6 == len(pd.read_parquet(whole.config.data.source))
    assert len(pd.read_parquet(tmp_path / "data" / "examples.parquet")) == 72
    assert (tmp_path / "config.yaml").read_text() != before  # snakemake goes on with what was computed last


def test_a_config_file_of_the_users_is_not_replaced(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    own = tmp_path / "config.yaml"
    own.write_text("experiment_dir: mine\n")
    with pytest.raises(
        GradiendError, match=re.escape(f"{own}: is there, and was not written by TextPredictionTrainer")
    ):
        make_trainer(tmp_path)
    assert own.read_text() == "experiment_dir: mine\n"
    own.unlink()
    make_trainer(tmp_path)
    make_trainer(tmp_path, learning_rate=0.01)  # what a trainer wrote another may replace
