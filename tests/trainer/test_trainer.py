"""The trainer of the argument guide on the tiny model."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from tiny import story_examples
from trainers import CLASSES, SETTINGS, MakeTrainer
from transformers import AutoModelForMaskedLM

from gradiend import (
    GradiendError,
    ModelWithGradiend,
    TextPredictionTrainer,
    TrainingArguments,
    create_model_with_gradiend,
)
from gradiend.trainer.text.prediction.model_with_gradiend import TextPredictionModelWithGradiend

pytestmark = pytest.mark.xdist_group("trainer")

SEEN = "the old nurse came home today and [MASK] was happy ."
GUIDE_1 = """
from gradiend import TextPredictionTrainer, TrainingArguments
args = TrainingArguments(
    experiment_dir="./out",
    params=["bert.encoder.layer.0.*", "bert.encoder.layer.1.*"],  # first two layers only
)
trainer = TextPredictionTrainer("bert-base-cased", data=..., training_args=args)
trainer.train()
"""
GUIDE_2 = """
from gradiend import create_model_with_gradiend, TextPredictionTrainer, TrainingArguments
from gradiend.trainer.text.prediction.model_with_gradiend import TextPredictionModelWithGradiend

model = create_model_with_gradiend(
    "bert-base-cased",
    model_class=TextPredictionModelWithGradiend,
    param_map=["bert.encoder.layer.0.*", "bert.encoder.layer.1.*"],
)
trainer = TextPredictionTrainer(model, data=..., training_args=TrainingArguments(experiment_dir="./out"))
trainer.train()
"""


@pytest.mark.parametrize("snippet", [GUIDE_1, GUIDE_2, GUIDE_1.replace("training_args=args", "args=args")])
def test_the_guides_code_runs_as_it_stands(
    snippet: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = story_examples().query("label_class != 'plural'")
    own: dict[str, Any] = {"table": table}
    exec(snippet.replace("bert-base-cased", str(model)).replace("data=...", "data=table"), own)
    found = own["trainer"].get_model()
    assert all(name.startswith("bert.encoder.layer.") for name in found.param_map)
    assert found.gradiend.config.target_classes == ("female", "male")
    assert (tmp_path / "out" / "seeds" / "seed_report.json").is_file()


def test_a_ready_made_model_takes_no_params(model: Path, tmp_path: Path) -> None:
    ready = create_model_with_gradiend(model, param_map=["bert.encoder.layer.0.*"])
    assert isinstance(ready, TextPredictionModelWithGradiend)
    arguments = TrainingArguments(experiment_dir=str(tmp_path), params=["bert.*"])
    with pytest.raises(GradiendError, match="params: a ready-made model has its parameters: give param_map"):
        TextPredictionTrainer(ready, story_examples(), target_classes=CLASSES, args=arguments)


def test_a_trained_gradiend_is_no_base_model(trained: TextPredictionTrainer, tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match="trained already: give its base model"):
        TextPredictionTrainer(trained.get_model(), story_examples(), target_classes=CLASSES)


def test_the_same_arguments_twice_are_a_mistake(model: Path) -> None:
    with pytest.raises(GradiendError, match="training_args and args are the same"):
        TextPredictionTrainer(model, story_examples(), args=TrainingArguments(), training_args=TrainingArguments())


def test_three_classes_must_be_chosen_from(model: Path, tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"target_classes: the data has 3 classes \(female, male, plural\): name"):
        TextPredictionTrainer(model, story_examples(), args=TrainingArguments(experiment_dir=str(tmp_path)))


def test_a_wrong_setting_is_named_in_one_line(model: Path, tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"^TextPredictionTrainer: data\.too_long: 'cutt' is wrong: .*'cut'\?\)$"):
        TextPredictionTrainer(
            model, story_examples(), target_classes=CLASSES, too_long="cutt",
            args=TrainingArguments(experiment_dir=str(tmp_path)),
        )  # fmt: skip


def kinds_of_data(folder: Path) -> dict[str, Any]:
    """The same examples in every way in which they may be given."""
    table = story_examples().query("label_class != 'plural'")
    parts = {name: part.drop(columns="label_class") for name, part in table.groupby("label_class")}
    table.to_csv(folder / "all.csv", index=False)
    for name, part in parts.items():
        part.to_csv(folder / f"{name}.csv", index=False)
    (folder / "set").mkdir()
    table.to_csv(folder / "set" / "train.csv", index=False)
    return {
        "DataFrame": table,
        "dict of DataFrames": parts,
        "path": folder / "all.csv",
        "dict of paths": {name: str(folder / f"{name}.csv") for name in parts},
        "data set folder": str(folder / "set"),
    }


@pytest.mark.parametrize("kind", ["DataFrame", "dict of DataFrames", "path", "dict of paths", "data set folder"])
def test_data_may_be_given_in_many_ways(kind: str, model: Path, tmp_path: Path) -> None:
    data = kinds_of_data(tmp_path)[kind]
    arguments = TrainingArguments(experiment_dir=str(tmp_path / "out"), **SETTINGS)
    trainer = TextPredictionTrainer(model, data, args=arguments)
    assert trainer.config.target_classes == CLASSES
    trainer.pre_prune()
    examples = pd.read_parquet(tmp_path / "out" / "data" / "examples.parquet")
    assert examples["factual_class"].value_counts().to_dict() == {"female": 36, "male": 36}


def test_columns_may_have_other_names(model: Path, tmp_path: Path) -> None:
    from gradiend import Columns

    table = story_examples().rename(columns={"masked": "sentence", "label_class": "gender"})
    columns = Columns(masked="sentence", label_class="gender")
    arguments = TrainingArguments(experiment_dir=str(tmp_path), **SETTINGS)
    trainer = TextPredictionTrainer(model, table, target_classes=CLASSES, columns=columns, args=arguments)
    trainer.pre_prune()
    assert (tmp_path / "pruning" / "space.safetensors").is_file()


def test_tables_in_memory_make_the_same_files_always(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        make_trainer(tmp_path / name)
        files.append([path.read_bytes() for path in sorted((tmp_path / name / "inputs").iterdir())])
    assert len(files[0]) == 2 and files[0] == files[1]


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


def test_what_is_no_data_is_refused(model: Path, tmp_path: Path) -> None:
    arguments = TrainingArguments(experiment_dir=str(tmp_path))
    with pytest.raises(GradiendError, match="data: a list is wrong: should be a DataFrame, a path, an id"):
        TextPredictionTrainer(model, [1, 2], args=arguments)  # type: ignore[arg-type]
    with pytest.raises(GradiendError, match=r"data: a table that cannot be written to .*: keep columns of text"):
        TextPredictionTrainer(model, pd.DataFrame({"masked": ["a", 1, object()]}), args=arguments)


def test_training_selects_a_seed_and_reports_it(trained: TextPredictionTrainer) -> None:
    report = trained.get_seed_report()
    assert report["best_seed"] in report["seeds_tried"]
    assert trained.get_training_stats()["steps"] == 20
    assert not list(trained.experiment_dir.glob("seeds/seed_*/model"))  # keep_seed_runs is false


def test_the_encoder_separates_the_classes(trained: TextPredictionTrainer) -> None:
    found = trained.evaluate_encoder(split="test", return_df=True, plot=True)
    assert found["correlation"] > 0.9
    assert set(found["encoder_df"]["split"]) == {"test"} and len(found["encoder_df"]) == found["n"]
    assert isinstance(found["figure"], Figure)
    assert trained.evaluate_encoder(split="val") == trained.evaluate_encoder(split="validation")
    assert trained.evaluate_encoder(split="neutral")["classes"]["neutral"]["n"] == 24


def test_the_figure_is_of_the_rows_that_were_asked_for(
    trained: TextPredictionTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradiend import plots

    drawn: list[int] = []
    real = plots.encoded_values
    monkeypatch.setattr(
        plots, "encoded_values", lambda table, **more: (drawn.append(len(table)), real(table, **more))[1]
    )
    neutral = trained.evaluate_encoder(split="neutral", plot=True)["classes"]["neutral"]["n"]
    found = trained.evaluate_encoder(split="val", max_size=4, plot=True, return_df=True)
    assert drawn == [neutral, len(found["encoder_df"]) + 4]


def test_a_cap_that_is_no_number_of_rows_is_refused(trained: TextPredictionTrainer) -> None:
    for wrong in (0, -1, 2.5):
        with pytest.raises(GradiendError, match=f"max_size: {wrong} is wrong: should be an integer >= 1 or None"):
            trained.evaluate_encoder(max_size=wrong)  # type: ignore[arg-type]


def test_a_direction_that_there_is_not_is_refused(trained: TextPredictionTrainer) -> None:
    for wrong in ("balance", "more"):
        with pytest.raises(GradiendError, match=f"direction: '{wrong}' is wrong: should be 'strengthen' or 'weaken'"):
            trained.plot_probability_shifts(direction=wrong)  # type: ignore[arg-type]


def test_a_cap_of_one_call_leaves_the_files_alone(trained: TextPredictionTrainer) -> None:
    whole = trained.evaluate_encoder()["n"]
    assert trained.evaluate_encoder(max_size=4)["n"] == 4 < whole
    assert trained.evaluate_encoder()["n"] == whole


def test_a_split_that_there_is_not_is_refused(trained: TextPredictionTrainer) -> None:
    with pytest.raises(GradiendError, match="split: 'dev' is wrong: should be 'validation', 'test' or 'neutral'"):
        trained.evaluate_encoder(split="dev")


def test_the_decoder_rewrites_the_model(trained: TextPredictionTrainer, tmp_path: Path) -> None:
    results = trained.evaluate_decoder(target_class="female", plot=True)
    assert isinstance(results["figure"], Figure) and "male" not in results
    choice = results["female"]["strengthen"]
    assert choice["test"]["p_female_on_male"] > results["base"]["test"]["p_female_on_male"]
    rewritten = trained.rewrite_base_model(results, target_class="female", output_dir=tmp_path / "female")
    by_stage = AutoModelForMaskedLM.from_pretrained(tmp_path / "female")
    ours, theirs, base = (
        dict(model.named_parameters()) for model in (rewritten, by_stage, trained.get_model().base_model)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(not torch.equal(ours[name], base[name]) for name in ours)
    again = trained.rewrite_base_model(target_class="female")
    assert all(torch.equal(ours[name], tensor) for name, tensor in again.named_parameters())
    assert (trained.experiment_dir / "rewritten" / "female" / "config.json").is_file()


def test_a_folder_of_the_users_is_not_rewritten(trained: TextPredictionTrainer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    results = trained.evaluate_decoder()
    with pytest.raises(GradiendError, match=r"output_dir: .* was not written by rewrite_base_model"):
        trained.rewrite_base_model(results, target_class="female", output_dir=tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_class_that_is_no_target_class_is_refused(trained: TextPredictionTrainer) -> None:
    for call in (trained.evaluate_decoder, trained.rewrite_base_model, trained.plot_probability_shifts):
        with pytest.raises(GradiendError, match=r"target_class: 'plural' is not one of \['female', 'male'\]"):
            call(target_class="plural")


def test_figures_are_drawn_of_what_is_there(trained: TextPredictionTrainer) -> None:
    assert isinstance(trained.plot_training_convergence(), Figure)
    assert isinstance(trained.plot_encoder_distributions(), Figure)
    assert isinstance(trained.plot_probability_shifts(target_class="male"), Figure)


def test_a_rewrite_away_from_a_class_is_asked_for_when_it_is_needed(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, use_cache=True)
    trainer.train()
    results = trainer.evaluate_decoder(increase_target_probabilities=False)
    assert set(results["female"]) == {"strengthen", "weaken"}
    assert "weaken" in (tmp_path / "config.yaml").read_text()
    assert trainer.evaluate_decoder()["female"]["weaken"] == results["female"]["weaken"]


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


def test_nothing_is_evaluated_that_was_trained_otherwise(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(tmp_path).train()
    other = make_trainer(tmp_path, learning_rate=0.01)
    with pytest.raises(GradiendError, match=re.escape(f"{tmp_path}: no GRADIEND that was trained with these settings")):
        other.evaluate_encoder()


def test_nothing_is_pruned_before_it_is_trained(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"no GRADIEND that was trained .*: call train\(\) first"):
        make_trainer(tmp_path).post_prune()


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


def test_pre_and_post_pruning_say_what_is_kept(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    kept = trainer.pre_prune()
    trainer.train()
    assert trainer.post_prune().space.input_dim == round(0.5 * kept.input_dim)


def test_a_run_has_a_folder_of_its_own(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, run_id="first")
    assert trainer.experiment_dir == tmp_path / "first"
    with pytest.raises(GradiendError, match="run_id: 'a/b' is no run id"):
        make_trainer(tmp_path, run_id="a/b")


def test_a_run_of_several_of_the_pipeline_is_left_alone(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "data").symlink_to(tmp_path / "shared")
    with pytest.raises(GradiendError, match="data: is a link to what several runs of the pipeline share"):
        make_trainer(tmp_path, run_id="first")


def test_without_a_folder_the_results_are_temporary(make_trainer: MakeTrainer) -> None:
    with pytest.warns(UserWarning, match="no experiment_dir is given: all results are in a temporary folder"):
        trainer = make_trainer(None)
    trainer.pre_prune()
    assert (trainer.experiment_dir / "data" / "examples.parquet").is_file()


def test_a_model_is_saved_and_loaded_again(trained: TextPredictionTrainer, tmp_path: Path) -> None:
    model = trained.get_model()
    for format in ("gradiend", "aieng-lab"):
        model.save_pretrained(tmp_path / format, format=format)  # type: ignore[arg-type]
        again = ModelWithGradiend.from_pretrained(tmp_path / format, device="cpu")
        assert again.encode([SEEN, SEEN], ["she", "he"]).tolist() == model.encode([SEEN, SEEN], ["she", "he"]).tolist()
    assert isinstance(model.encode(SEEN, "he"), float)
    with pytest.raises(GradiendError, match="encode: the source 'alternative' takes no alternative token"):
        model.encode(SEEN, "she", "he")


def test_a_gradiend_is_not_put_on_another_base_model(trained: TextPredictionTrainer, tmp_path: Path) -> None:
    model = trained.get_model()
    model.save_pretrained(tmp_path / "own")
    from tiny import save_tiny_model

    with pytest.raises(GradiendError, match="was trained on another model"):
        ModelWithGradiend.from_pretrained(tmp_path / "own", base_model=str(save_tiny_model(tmp_path / "other")))


def test_a_rewritten_base_model_comes_back_as_it_was(trained: TextPredictionTrainer) -> None:
    model = trained.get_model()
    before = {name: tensor.clone() for name, tensor in model.base_model.named_parameters()}
    factor = model.feature_factor("female")
    assert model.feature_factor("female", increase=False) == -factor == model.feature_factor("male")
    with model.rewritten(0.3, factor) as rewritten:
        assert any(not torch.equal(before[name], tensor) for name, tensor in rewritten.named_parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.base_model.named_parameters())
