"""Folders of results: nothing of the user's is replaced, and moved folders lie apart from the pipeline's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gradiend.errors import GradiendError
from gradiend.folders import GRADIEND_FILES, in_inputs, misplaced, require_replaceable


def holding(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def gradiend(folder: Path, *more: str) -> Path:
    holding(folder, *GRADIEND_FILES, *more)
    (folder / "config.json").write_text('{"target_classes": ["a", "b"]}')
    return folder


def test_nothing_an_empty_folder_and_a_gradiend_may_be_replaced(tmp_path: Path) -> None:
    require_replaceable(tmp_path / "nothing")
    require_replaceable(holding(tmp_path / "empty"))
    require_replaceable(gradiend(tmp_path / "gradiend"))


@pytest.mark.parametrize(
    ("make", "names", "foreign"),
    [
        (gradiend, ["thesis.tex"], "thesis.tex"),
        (gradiend, [".git"], ".git"),
        (holding, ["config.json", "model.safetensors"], "config.json"),
        (holding, ["model.safetensors"], "model.safetensors"),
        (holding, ["notes.txt"], "notes.txt"),
    ],
    ids=["beside a GRADIEND", "hidden", "another model", "weights alone", "alone"],
)
def test_a_folder_that_holds_anything_else_is_refused_by_name(
    tmp_path: Path, make: Callable[..., Path], names: list[str], foreign: str
) -> None:
    folder = make(tmp_path / "precious", *names)
    with pytest.raises(GradiendError, match=rf"precious: holds '{foreign}', which is not of a GRADIEND"):
        require_replaceable(folder)


def test_a_file_is_no_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(GradiendError, match="a: is a file, but a GRADIEND's folder is to be written there"):
        require_replaceable(tmp_path / "a")


MODEL, SEEDS = ": give a folder of its own, such as 'out/model'", ": give a folder of its own, such as 'out/seeds'"


@pytest.mark.parametrize(
    ("output_dir", "seed_runs_dir", "setting", "text"),
    [
        ("out", None, "output_dir", f"'out' is or holds experiment_dir 'out'{MODEL}"),
        ("./out/", None, "output_dir", f"'./out/' is or holds experiment_dir 'out'{MODEL}"),
        (".", None, "output_dir", f"'.' is or holds the working directory{MODEL}"),
        ("..", None, "output_dir", f"'..' is or holds the working directory{MODEL}"),
        (None, "out", "seed_runs_dir", f"'out' is or holds experiment_dir 'out'{SEEDS}"),
        ("out/data", None, "output_dir", f"'out/data' is in 'out/data', which the pipeline itself writes{MODEL}"),
        ("out/seeds/best", None, "output_dir", "'out/seeds/best' is in 'out/seeds', which the pipeline itself w"),
        (None, "out/seeds/best", "seed_runs_dir", "'out/seeds/best' is in 'out/seeds/best', which the pipeline its"),
        (None, "out/model", "seed_runs_dir", f"'out/model' is in 'out/model', which the pipeline itself writes{SEEDS}"),
        ("a", "a", "output_dir", "'a' and seed_runs_dir 'a' are the same or in each other: give two folders"),
        ("a/b", "a", "output_dir", "'a/b' and seed_runs_dir 'a' are the same or in each other: give two folders"),
    ],
)
def test_a_folder_that_is_in_the_way_is_refused_with_a_better_one(
    output_dir: str | None,
    seed_runs_dir: str | None,
    setting: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ((found, problem),) = misplaced("out", [], output_dir, seed_runs_dir).items()
    assert (found, problem[: len(text)]) == (setting, text)


def test_the_folders_of_a_run_are_taken_too() -> None:
    assert misplaced("out", ["a"], "out/a/plots", None)["output_dir"].startswith("'out/a/plots' is in 'out/a/plots'")
    assert misplaced("out", ["a"], "out/a", None)["output_dir"].startswith("'out/a' is or holds experiment_dir 'out/a'")


def test_a_link_to_a_folder_is_that_folder(tmp_path: Path) -> None:
    (tmp_path / "out/data").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "out/data")
    assert "output_dir" in misplaced(str(tmp_path / "out"), [], str(tmp_path / "link"), None)


@pytest.mark.parametrize(
    ("output_dir", "seed_runs_dir"),
    [(None, None), ("out/model", "out/seeds"), ("elsewhere/model", "elsewhere/seeds"), ("out/mine", "out/tries")],
)
def test_other_folders_are_right(output_dir: str | None, seed_runs_dir: str | None) -> None:
    assert misplaced("out", ["", "a"], output_dir, seed_runs_dir) == {}


@pytest.mark.parametrize("folder", ["read", "./read/out", "read/out/deep", "link/out"])
def test_results_in_a_folder_that_is_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    holding(tmp_path / "read")
    (tmp_path / "link").symlink_to(tmp_path / "read")
    text = f"'{folder}' is in model 'read', of which every file is read: give a folder outside it"
    written = {"experiment_dir": folder, "output_dir": "reader", "seed_runs_dir": None}
    assert in_inputs(written, {"data.source": "owner/name", "model": "read"}) == {"experiment_dir": text}


@pytest.mark.parametrize("folder", ["gpt2", "gpt2/out"])
def test_results_that_would_be_read_by_the_next_call_are_refused_by_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(in_inputs({"experiment_dir": folder}, {"model": "gpt2"})) == ["experiment_dir"]


def test_a_read_folder_may_lie_among_the_results(tmp_path: Path) -> None:
    holding(tmp_path / "out/model")
    assert in_inputs({"experiment_dir": str(tmp_path / "out")}, {"model": str(tmp_path / "out/model")}) == {}
