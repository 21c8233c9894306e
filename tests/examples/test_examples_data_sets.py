"""Hugging Face data sets: local folders, and ids that cannot be had."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradiend.errors import GradiendError
from gradiend.examples.data_sets import read_data_set
from gradiend.examples.preparation import prepare
from gradiend.examples.sources import read_source
from gradiend.experiment import Columns

datasets = pytest.importorskip("datasets")
Pronouns = Callable[..., list[dict[str, Any]]]


def by_split(rows: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    return {str(name): part.drop(columns="split") for name, part in pd.DataFrame(rows).groupby("split", sort=False)}


def data_set(table: pd.DataFrame) -> Any:
    return datasets.Dataset.from_pandas(table, preserve_index=False)


@pytest.fixture
def saved(tmp_path: Path, pronouns: Pronouns) -> str:
    parts = {name: data_set(part) for name, part in by_split(pronouns()).items()}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    return str(tmp_path / "saved")


@pytest.fixture
def folder(tmp_path: Path, pronouns: Pronouns) -> str:
    for name, part in by_split(pronouns()).items():
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    return str(tmp_path)


@pytest.mark.parametrize("kind", ["saved", "folder"])
def test_a_data_set_folder_gives_what_one_table_gives(
    kind: str, request: pytest.FixtureRequest, prepared: Any, settings: Any, pronouns: Pronouns
) -> None:
    found = prepare(settings(data_source=request.getfixturevalue(kind))).examples
    expected = prepared(pronouns()).examples
    columns = ["split", "masked", "factual", "alternative", "factual_class", "alternative_class"]
    pd.testing.assert_frame_equal(
        found[columns].sort_values(columns, ignore_index=True),
        expected[columns].sort_values(columns, ignore_index=True),
    )


def test_words_like_na_stay_words_in_a_folder_of_csv_files(tmp_path: Path) -> None:
    table = pd.DataFrame({"masked": ["a [MASK]", "b [MASK]"], "label": ["NA", "null"], "label_class": ["None", "x"]})
    table.to_csv(tmp_path / "train.csv", index=False)
    assert read_source(str(tmp_path), Columns(), "[MASK]").rows["factual"].tolist() == ["NA", "null"]


def test_a_data_set_of_one_split_has_no_splits(tmp_path: Path, pronouns: Pronouns, settings: Any) -> None:
    table = pd.DataFrame(pronouns(20)).drop(columns="split")
    data_set(table).save_to_disk(tmp_path / "one")
    splits = prepare(settings(data_source=str(tmp_path / "one"))).examples["split"].value_counts()
    assert splits.to_dict() == {"train": 96, "validation": 12, "test": 12}


def test_class_labels_are_read_by_name(tmp_path: Path) -> None:
    features = datasets.Features(
        {
            "masked": datasets.Value("string"),
            "label": datasets.Value("string"),
            "label_class": datasets.ClassLabel(names=["F", "M"]),
        }
    )
    rows = {"masked": ["a [MASK]", "b [MASK]"], "label": ["she", "he"], "label_class": [0, 1]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "labels")
    assert read_source(str(tmp_path / "labels"), Columns(), "[MASK]").rows["factual_class"].tolist() == ["F", "M"]


def test_an_error_in_a_data_set_names_folder_split_and_row(tmp_path: Path, pronouns: Pronouns) -> None:
    parts = by_split(pronouns())
    parts["test"].loc[parts["test"].index[1], "masked"] = "no slot"
    for name, part in parts.items():
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(GradiendError, match=rf"{tmp_path} \(split 'test'\): row 2: 'no slot' has 0 slots"):
        read_source(str(tmp_path), Columns(), "[MASK]")


def test_an_unknown_split_of_a_data_set_is_an_error(tmp_path: Path, pronouns: Pronouns) -> None:
    parts = {name.replace("test", "tst"): data_set(part) for name, part in by_split(pronouns()).items()}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    with pytest.raises(GradiendError, match=r"unknown split 'tst' \(did you mean 'test'\?\)"):
        read_source(str(tmp_path / "saved"), Columns(), "[MASK]")


@pytest.mark.parametrize("name", ["empty", "broken"])
def test_a_folder_that_is_no_data_set_is_an_error_that_names_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    if name == "broken":
        (tmp_path / name / "train.csv").write_bytes(b"masked,label\nM\xfcller [MASK],x\n")
    with pytest.raises(GradiendError, match=rf"{name}: no readable data set folder") as caught:
        read_source(str(tmp_path / name), Columns(), "[MASK]")
    assert "\n" not in str(caught.value)


def test_a_subset_of_a_data_set_is_named_behind_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def load(name: str, subset: str | None) -> Any:
        asked.append((name, subset))
        return datasets.Dataset.from_dict({"masked": ["[MASK] slept"]})

    monkeypatch.setattr(datasets, "load_dataset", load)
    for source in ("org/data", "org/data:one"):
        (table,) = read_data_set(source, ["masked"])
        assert table.name == source
    assert asked == [("org/data", None), ("org/data", "one")]


def test_an_id_that_cannot_be_loaded_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str, subset: str | None) -> None:
        raise ConnectionError(f"Couldn't reach '{name}' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(
        GradiendError, match=r"nobody/nothing: no readable file or folder of this name, .*Couldn't reach"
    ):
        read_source("nobody/nothing", Columns(), "[MASK]")
