"""The whole stage: caps, summary, determinism, the command, real data."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradiend import __version__
from gradiend.errors import GradiendError
from gradiend.examples.preparation import prepare
from gradiend.files import read_json
from gradiend.settings import canonical
from gradiend.stages.command import main
from gradiend.stages.prepare_data import run
from gradiend.tables import read_table

COLUMNS = ["id", "split", "masked", "factual", "alternative", "factual_class", "alternative_class", "batch"]
Pronouns = Callable[..., list[dict[str, Any]]]


def paths(folder: Path) -> dict[str, Path]:
    return {"examples": folder / "e.parquet", "neutral": folder / "n.parquet", "summary": folder / "s.json"}


def test_the_files_have_the_columns_and_types_of_the_contract(
    tmp_path: Path, pronouns: Pronouns, settings: Any, write: Any
) -> None:
    out = paths(tmp_path)
    line = run(settings=settings(data_source=write(pronouns())), **out)
    examples, neutral = read_table(out["examples"]), read_table(out["neutral"])
    assert list(examples.columns) == COLUMNS and list(neutral.columns) == ["id", "split", "text", "masked", "factual"]
    assert str(examples["id"].dtype) == "int64" and str(examples["batch"].dtype) == "Int64"
    assert {str(examples[name].dtype) for name in COLUMNS[1:7]} == {"str"}
    assert line == (
        "prepare_data: 10 train, 10 validation, 10 test examples (female 15, male 15), 0 dropped, 0 neutral texts"
    )


def test_ids_are_the_row_numbers_of_the_source(pronouns: Pronouns, prepared: Any) -> None:
    rows = pronouns()
    rows.insert(3, {**rows[0], "label_class": "neuter"})
    examples = prepared(rows).examples
    assert examples["id"].tolist() == [number for number in range(31) if number != 3]
    assert examples["masked"].tolist() == [row["masked"] for number, row in enumerate(rows) if number != 3]


def test_the_summary_agrees_with_the_files(pronouns: Pronouns, prepared: Any) -> None:
    rows = [*pronouns(6), {**pronouns()[0], "label": "it", "label_class": "neuter"}]
    rows[0]["alternative"] = None
    found = prepared(rows, add_identity_for_other_classes=True, train_max_size=4)
    examples, summary = found.examples, found.summary
    for split in ("train", "validation", "test"):
        part = examples[examples["split"] == split]
        assert summary["examples"][split] == Counter(part["factual_class"])
        names = [f"{a} -> {b}" for a, b in zip(part["factual_class"], part["alternative_class"], strict=True)]
        assert summary["transitions"][split] == Counter(names)
    assert summary["batches"] == {"female -> male": 1, "male -> female": 1, "neuter -> neuter": 1}
    assert summary["derived_alternatives"] == {"female -> male": 1}
    assert summary["dropped"] == {
        "class 'female': above train_max_size 4": 2,
        "class 'male': above train_max_size 4": 2,
    }
    assert summary["surface_forms"] == {"female": {"she": 18}, "male": {"he": 18}, "neuter": {"it": 1}}  # uncapped
    assert (summary["data_digest"], summary["package_version"]) == ("digest", __version__)
    assert len(rows) == len(examples) + sum(summary["dropped"].values())
    json.dumps(summary, allow_nan=False)


def test_forms_that_are_alternatives_only_are_in_the_summary(pronouns: Pronouns, prepared: Any) -> None:
    rows = pronouns()
    rows[0]["alternative"] = "him"
    assert prepared(rows).summary["surface_forms"]["male"] == {"he": 15, "him": 0}


def test_train_max_size_caps_training_examples_per_class_and_a_smaller_cap_is_part_of_a_larger(
    pronouns: Pronouns, prepared: Any
) -> None:
    kept = {}
    for cap in (3, 7, None):
        examples = prepared(pronouns(12), train_max_size=cap).examples
        train = examples[examples["split"] == "train"]
        assert train["factual_class"].value_counts().to_dict() == {"female": cap or 12, "male": cap or 12}
        assert (examples["split"] != "train").sum() == 48
        kept[cap] = set(train["id"])
    assert kept[3] < kept[7] < kept[None]
    other = prepared(pronouns(12), train_max_size=7, seed=1).examples
    assert set(other.loc[other["split"] == "train", "id"]) != kept[7]


def test_equal_settings_give_equal_files_and_another_seed_other_batches(
    pronouns: Pronouns, settings: Any, write: Any
) -> None:
    rows = pd.DataFrame(pronouns(20)).drop(columns="split")
    path = write(rows)
    first, again, other = (prepare(settings(data_source=path, seed=seed)).examples for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["split"].equals(other["split"])


def test_files_per_class_give_what_one_file_gives(pronouns: Pronouns, prepared: Any, settings: Any, write: Any) -> None:
    rows = pd.DataFrame(pronouns()).sort_values("label_class", kind="stable", ignore_index=True)
    files = {name: write(part.drop(columns="label_class"), f"{name}.csv") for name, part in rows.groupby("label_class")}
    pd.testing.assert_frame_equal(prepare(settings(data_source=files)).examples, prepared(rows).examples)


def test_identity_classes_are_counted_in_the_result_line(
    tmp_path: Path, pronouns: Pronouns, settings: Any, write: Any
) -> None:
    rows = [*pronouns(), {**pronouns()[0], "label": "it", "label_class": "neuter"}]
    changed = settings(data_source=write(rows), add_identity_for_other_classes=True)
    assert "(female 15, male 15, identity 1), 0 dropped" in run(settings=changed, **paths(tmp_path))


def test_what_was_dropped_derived_or_looks_wrong_is_in_the_line_and_in_the_log(
    tmp_path: Path, pronouns: Pronouns, settings: Any, write: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*pronouns(), {**pronouns()[0], "label_class": "femal"}, {**pronouns()[0], "label_class": "Male "}]
    rows[0] |= {"alternative": None, "label": "she "}
    caplog.set_level("INFO")
    line = run(settings=settings(data_source=write(rows)), **paths(tmp_path))
    assert "2 dropped, 1 alternatives derived, 0 neutral texts; WARNING: column 'label': white space around 1" in line
    assert line.endswith("cells is left out (and 3 more in the log)")
    summary = read_json(paths(tmp_path)["summary"])
    logged = {record.getMessage() for record in caplog.records if record.levelname == "WARNING"}
    assert logged == {
        *summary["warnings"],
        "1 dropped: class 'femal': not a target class",
        "1 dropped: class 'Male': not a target class",
    }
    assert "1 alternatives derived: female -> male" in caplog.messages


def test_interlinked_surface_forms_are_in_the_line(
    tmp_path: Path, pronouns: Pronouns, settings: Any, write: Any
) -> None:
    forms = {"female": ["a", "b", "c", "d"], "male": ["w", "x", "y", "z"]}
    rows = [
        {"masked": f"{i} [MASK]", "label": own, "label_class": name, "alternative": other, "alternative_class": partner}
        for name, partner in (("female", "male"), ("male", "female"))
        for i, (own, other) in enumerate((own, other) for own in forms[name] for other in forms[partner])
    ]
    line = run(settings=settings(data_source=write(rows), split_by="target"), **paths(tmp_path))
    assert "; WARNING: data.split_by: target: the alternatives link too many surface forms" in line


def test_the_command_writes_the_files_and_one_line(
    tmp_path: Path, pronouns: Pronouns, settings: Any, write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = write(pronouns(), "demo.csv")
    texts = write([{"text": "a", "split": "validation"}, {"text": "b", "split": "test"}], "neutral.csv")
    options = ["--settings", canonical(settings(data_source=demo, neutral=texts))]
    for name, path in paths(tmp_path).items():
        options += [f"--{name.replace('_', '-')}", str(path)]
    assert main(run, options) == 0
    assert capsys.readouterr().out.endswith("0 dropped, 2 neutral texts\n")
    assert read_json(tmp_path / "s.json")["neutral"] == {"train": 0, "validation": 1, "test": 1}


def test_neutral_texts_that_are_not_used_are_left_out_counted_and_named(
    pronouns: Pronouns, prepared: Any, write: Any
) -> None:
    splits = {"a": "train", "b": "validation", "c": "validation", "d": "test", "e": "train"}
    texts = [*({"text": text, "split": split} for text, split in splits.items()), {"text": "c", "split": "test"}]
    found = prepared(pronouns(), neutral=write(texts, "neutral.csv"))
    assert found.neutral[["id", "text"]].to_numpy().tolist() == [[1, "b"], [3, "d"], [5, "c"]]
    assert found.summary["neutral"] == {"train": 0, "validation": 1, "test": 2}
    unused, copies = "neutral texts of train: nothing uses them", "neutral texts of validation: same text in test"
    assert found.summary["dropped"] == {unused: 2, copies: 1}
    assert found.summary["warnings"] == [f"1 dropped from {copies} (first: 'c')"]


def test_validation_and_test_of_the_same_neutral_texts_are_an_error(
    pronouns: Pronouns, prepared: Any, write: Any
) -> None:
    texts = write([{"text": "a", "split": split} for split in ("validation", "test")], "neutral.csv")
    with pytest.raises(GradiendError, match=r"^data\.neutral: all 1 texts of validation are in test, too: give each"):
        prepared(pronouns(), neutral=texts)


def test_a_mistake_leaves_no_file_and_is_one_line(
    tmp_path: Path, pronouns: Pronouns, settings: Any, write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write([{**pronouns()[0], "masked": "no slot"}])
    options = ["--settings", canonical(settings(data_source=path))]
    for name, out in paths(tmp_path).items():
        options += [f"--{name}", str(out)]
    assert main(run, options) == 1
    assert capsys.readouterr().err == (
        f"error: {path}: row 1: 'no slot' has 0 slots: a text needs exactly one [MASK] (data.mask_placeholder)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_real_english_data_is_used_whole(shared_data: Path, settings: Any) -> None:
    found = prepare(
        settings(
            data_source=str(shared_data / "gender_en.csv"),
            neutral=str(shared_data / "neutral_en.csv"),
            target_classes=["F", "M"],
        )
    )
    assert found.examples["split"].value_counts().to_dict() == {"train": 4502, "validation": 555, "test": 521}
    assert found.summary["dropped"] == {"neutral texts of train: nothing uses them": 10557}
    assert len(found.neutral) == 13521 - 10557 and not found.summary["warnings"]


def test_the_real_german_cases_are_paired_inside_their_case(shared_data: Path, settings: Any) -> None:
    cases = ("nom", "acc", "dat")
    path = shared_data / "article_de.csv"
    merge = {name: [f"{name}_{case}" for case in cases] for name in ("masc", "fem")}
    groups = [[f"masc_{case}", f"fem_{case}"] for case in cases]
    changes = {"class_merge_map": merge, "class_merge_transition_groups": groups, "target_classes": ["masc", "fem"]}
    examples = prepare(settings(data_source=str(path), **changes)).examples
    raw = pd.read_csv(path, keep_default_na=False).loc[examples["id"], "label_class"]
    article = {
        "masc_nom": "die",
        "masc_acc": "die",
        "masc_dat": "der",
        "fem_nom": "der",
        "fem_acc": "den",
        "fem_dat": "dem",
    }
    assert examples["alternative"].tolist() == raw.map(article).tolist()
