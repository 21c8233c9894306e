"""Small data files and the settings to prepare them with."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradiend.examples.preparation import Prepared, prepare
from gradiend.experiment import Columns
from gradiend.settings import PrepareData

DEFAULTS: dict[str, Any] = {
    "data_source": "unset",
    "neutral": None,
    "columns": Columns(),
    "mask_placeholder": "[MASK]",
    "split_by": "row",
    "target_classes": ["female", "male"],
    "class_merge_map": None,
    "class_merge_transition_groups": None,
    "add_identity_for_other_classes": False,
    "train_max_size": None,
    "train_batch_size": 4,
    "seed": 0,
    "data_digest": "digest",
    "whole_texts": False,
}


@pytest.fixture(scope="session")
def settings() -> Callable[..., PrepareData]:
    """`settings(train_batch_size=8)`: the default settings with some changed."""
    return lambda **changes: PrepareData(**{**DEFAULTS, **changes})


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """`write(rows, "a.csv")`: a table file in a new folder, its path as a string."""

    def written(rows: Sequence[Mapping[str, Any]] | pd.DataFrame, name: str = "data.parquet") -> str:
        path = tmp_path_factory.mktemp("data") / name
        table = pd.DataFrame(rows)
        {
            ".csv": lambda: table.to_csv(path, index=False),
            ".tsv": lambda: table.to_csv(path, index=False, sep="\t"),
            ".parquet": lambda: table.to_parquet(path, index=False),
            ".jsonl": lambda: table.to_json(path, orient="records", lines=True, force_ascii=False),
        }[path.suffix]()
        return str(path)

    return written


@pytest.fixture(scope="session")
def prepared(settings: Callable[..., PrepareData], write: Callable[..., str]) -> Callable[..., Prepared]:
    """`prepared(rows, seed=3)`: the rows through a Parquet file and the whole stage."""
    return lambda rows, **changes: prepare(settings(data_source=write(rows), **changes))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data files; skips the test where there is none."""
    folder = Path(os.environ.get("GRADIEND_SHARED", "no such folder")) / "data"
    if not folder.is_dir():
        pytest.skip("GRADIEND_SHARED names no folder with data/")
    return folder


@pytest.fixture(scope="session")
def pronouns() -> Callable[..., list[dict[str, Any]]]:
    """`pronouns(5)`: five rows of each class in each split, with alternatives; all texts differ."""
    return _pronouns


def _pronouns(each: int = 5, splits: Sequence[str] = ("train", "validation", "test")) -> list[dict[str, Any]]:
    words = {"female": "she", "male": "he"}
    other = {"female": "male", "male": "female"}
    return [
        {
            "masked": f"{split} text {number}: [MASK] laughed, said {name}.",
            "split": split,
            "label": words[name],
            "label_class": name,
            "alternative": words[other[name]],
            "alternative_class": other[name],
        }
        for split in splits
        for name in words
        for number in range(each)
    ]
