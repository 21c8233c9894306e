"""The stage that compares runs: who is compared with whom, who is left out of what, and what it writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from comparable import entries, gradiend

from gradiend.comparison import NO_DECODER
from gradiend.cross_encoding import NO_ENCODER
from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.model import GradiendModel
from gradiend.report.common import CAPTIONS, TITLES
from gradiend.settings import CompareRuns
from gradiend.stages.compare_runs import NOTHING, run

ALL = {"overlap", "shared_top", "shared_kept", "cosine", "layers", "cross_encoding"}


def encodings(encoders: list[str], seed: int) -> pd.DataFrame:
    """Six rows of each encoder, of which every one goes its own way."""
    labels, generator = np.array([1.0, 1.0, -1.0, -1.0, 0.0, 0.0]), np.random.default_rng(seed)
    classes = ["a", "a", "b", "b", "c", "c"]
    rows = {"example_id": range(6), "factual_class": classes, "alternative_class": classes, "spoken_class": classes}
    parts = [
        pd.DataFrame({"encoder": name, **rows, "label": labels, "encoded": generator.normal(size=6)})
        for name in encoders
    ]
    return pd.concat(parts)


def compared(folder: Path, models: dict[str, GradiendModel], encoded: dict[str, list[str]]) -> tuple[str, Any]:
    """The stage's line and summary; `encoded` has the encoders of each run's rows."""
    for name, model in models.items():
        model.save_pretrained(folder / name / "model")
    for seed, (name, encoders) in enumerate(encoded.items()):
        (folder / "encodings").mkdir(exist_ok=True)
        encodings(encoders, seed).to_parquet(folder / "encodings" / f"{name}.parquet")
    line = run(
        settings=CompareRuns(dict.fromkeys(sorted(models), ""), 5),
        runs=list(models),
        models=[folder / name / "model" for name in models],
        encodings=[folder / "encodings" / f"{name}.parquet" for name in encoded],
        figures=folder / "comparison" / "plots",
        out=folder / "comparison" / "summary.json",
    )
    return line, read_json(folder / "comparison" / "summary.json")


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "comparison" / f"{name}.parquet")


def drawn(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "comparison" / "plots").glob("*.svg")}


def test_two_base_models_are_two_groups_whose_figures_are_told_apart(tmp_path: Path) -> None:
    models = {f"{base}{i}": gradiend(i, 12 + i, base_model=base) for base in "bc" for i in (1, 2)}
    groups = {name: [other for other in models if other[0] == name[0]] for name in models}
    line, summary = compared(tmp_path, models | {"alone": gradiend(5, base_model="d")}, groups)
    assert [group["runs"] for group in summary["groups"]] == [["b1", "b2"], ["c1", "c2"]]
    assert summary["left_out"] == {"alone": "no other run has its base model"}
    assert drawn(tmp_path) == {f"{name}-{i}" for name in ALL for i in (1, 2)}
    assert set(summary["groups"][1]["figures"]) == {f"{name}-2" for name in ALL}
    pairs = table(tmp_path, "cosine")
    assert {(one[0], other[0]) for one, other in zip(pairs["run"], pairs["other"], strict=True)} == {
        ("b", "b"),
        ("c", "c"),
    }
    assert line.startswith("compare_runs: 4 of 5 runs, on 2 base models; left out")


def test_a_run_without_a_trained_decoder_or_encoder_is_left_out_of_what_needs_it(tmp_path: Path) -> None:
    models = {
        "one": gradiend(1),
        "two": gradiend(2),
        "encoder": gradiend(3, supervised="encoder"),
        "decoder": gradiend(4, supervised="decoder"),
    }
    encoders = ["one", "two", "encoder"]
    _, summary = compared(tmp_path, models, dict.fromkeys(models, encoders))
    (group,) = summary["groups"]
    assert group["without_decoder"] == {"encoder": NO_DECODER}
    assert group["without_encoder"] == {"decoder": NO_ENCODER}
    for name in ("overlap", "cosine", "layers"):
        assert set(table(tmp_path, name)["run"]) == {"one", "two", "decoder"}
    crossed = table(tmp_path, "cross_encoding")
    assert len(crossed) == 16
    assert set(crossed.loc[crossed["correlation"].isna(), "encoder"]) == {"decoder"}
    assert set(crossed.loc[crossed["correlation"].isna(), "reason"]) == {NO_ENCODER}


def test_runs_that_have_nothing_in_common_are_compared_with_nothing(tmp_path: Path) -> None:
    line, summary = compared(tmp_path, {"x": gradiend(1, base_model="b"), "y": gradiend(1, base_model="c")}, {})
    assert summary["groups"] == [] and set(summary["left_out"]) == {"x", "y"}
    assert drawn(tmp_path) == set()
    for name, empty in NOTHING.items():
        assert table(tmp_path, name).empty and list(table(tmp_path, name)) == list(empty)
    assert line.startswith("compare_runs: 0 of 2 runs, on 0 base models")


def test_one_trained_decoder_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    models = {"one": gradiend(1), "encoder": gradiend(3, supervised="encoder")}
    _, summary = compared(tmp_path, models, {name: list(models) for name in models})
    assert summary["groups"][0]["k"] is None
    assert drawn(tmp_path) == {"cross_encoding"}
    assert len(table(tmp_path, "cross_encoding")) == 4


def test_a_model_for_each_run_is_needed(tmp_path: Path) -> None:
    files: dict[str, Any] = {"models": [], "encodings": [], "figures": tmp_path / "f", "out": tmp_path / "o"}
    with pytest.raises(GradiendError, match="0 --models and 1 --runs: give one of each per run"):
        run(settings=CompareRuns({"a": ""}, 5), runs=["a"], **files)
    files["models"] = [tmp_path]
    with pytest.raises(GradiendError, match="--runs b: should be those of the settings: a"):
        run(settings=CompareRuns({"a": ""}, 5), runs=["b"], **files)


def test_what_is_said_of_a_run_is_of_that_run_in_whatever_order_they_come(tmp_path: Path) -> None:
    models = {"z": gradiend(1, 12), "a": gradiend(2, 13), "m": gradiend(3, 14)}
    _, summary = compared(tmp_path, models, {name: list(models) for name in models})
    assert summary["groups"][0]["kept_entries"] == {"z": 12, "a": 13, "m": 14}
    overlap = table(tmp_path, "overlap")
    kept = overlap[overlap["entries"] == "kept"]
    assert list(dict.fromkeys(kept["run"])) == ["z", "a", "m"]
    assert dict(zip(kept["run"], kept["size"], strict=True)) == {"z": 12, "a": 13, "m": 14}
    for one in kept.itertuples():
        first, second = (set(entries(models[name])) for name in (one.run, one.other))
        assert one.common == len(first & second)


def test_every_figure_has_a_title_and_a_caption_on_the_index() -> None:
    assert set(TITLES) == set(CAPTIONS) == ALL
