"""The files of a base model folder, and what is wrong with its name."""

from pathlib import Path

import pytest

from gradiend.errors import GradiendError
from gradiend.model_files import folder_hint, model_files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the model folders `tiny` and `models/large`."""
    for name in ("tiny", "models/large"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["demo", "bert-base-cased", "owner/name"])
def test_the_demo_and_hugging_face_ids_have_no_local_files(name: str) -> None:
    assert model_files(name, None) == []
    assert model_files(name, "main") == []


def test_a_folder_has_its_files(folder: Path) -> None:
    assert model_files("./tiny", None) == [Path("tiny/config.json")]


@pytest.mark.parametrize(
    ("name", "near"),
    [("./tinny", "./tiny"), ("../x/y/z", None), ("./models/lrage", "./models/large"), ("/no/such", None)],
)
def test_a_path_that_is_no_folder_is_an_error_with_the_nearest_name(name: str, near: str | None) -> None:
    with pytest.raises(GradiendError) as caught:
        model_files(name, None)
    hint = f" (did you mean '{near}'?)" if near else ""
    assert str(caught.value) == (
        f"model: '{name}': no such folder, and not a Hugging Face id (name or owner/name){hint}"
    )


def test_a_revision_of_a_local_folder_is_an_error() -> None:
    with pytest.raises(GradiendError, match=r"model\.revision: 'v1': 'tiny' is a local folder, which has no revisions"):
        model_files("tiny", "v1")


def test_a_bare_name_near_a_folder_gets_a_hint() -> None:
    assert folder_hint("tinny") == " (did you mean 'tiny'?)"
    assert folder_hint("bert-base-cased") == folder_hint("tiny") == folder_hint("owner/tiny") == ""


@pytest.mark.parametrize("name", ["demo-causl", "demo_causal", "Demo", "demoo", "dem"])
def test_a_name_that_is_nearly_a_demo_models_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        GradiendError, match=rf"^model: '{name}': no such folder, and no known model \(did you mean 'demo"
    ):
        model_files(name, None)
    (tmp_path / name).mkdir()
    assert model_files(name, None) == []


@pytest.mark.parametrize("name", ["demo", "demo-causal", "gpt2", "bert-base-cased", "someone/demo-model", "t5-small"])
def test_other_names_are_hugging_face_ids(name: str) -> None:
    assert model_files(name, None) == []
