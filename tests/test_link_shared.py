"""Links of a run are relative and replace old links, never anything else."""

import os
from pathlib import Path

import pytest

from gradiend.errors import GradiendError
from gradiend.files import write_json
from gradiend.stages import link_shared


def link(folder: Path, links: dict[str, str]) -> str:
    given = {str(folder / path): str(folder / target) for path, target in links.items()}
    write_json(folder / "wanted.json", given)
    return link_shared.run(links=folder / "wanted.json", out=folder / "run" / "links.json")


def test_a_link_is_relative_and_may_point_to_what_is_not_made_yet(tmp_path: Path) -> None:
    link(tmp_path, {"run/data": "shared/data-1"})
    assert os.readlink(tmp_path / "run" / "data") == "../shared/data-1"
    (tmp_path / "shared" / "data-1").mkdir(parents=True)
    (tmp_path / "shared" / "data-1" / "file").write_text("x")
    tmp_path.joinpath("run").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "data" / "file").read_text() == "x"


def test_a_link_in_a_folder_that_is_itself_a_link_points_to_the_right_place(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "run").symlink_to(tmp_path / "far" / "away")
    (tmp_path / "shared" / "data-1").mkdir(parents=True)
    link(tmp_path, {"run/data": "shared/data-1"})
    assert (tmp_path / "run" / "data").resolve() == tmp_path / "shared" / "data-1"


def test_an_old_link_is_replaced(tmp_path: Path) -> None:
    link(tmp_path, {"run/data": "shared/data-1"})
    link(tmp_path, {"run/data": "shared/data-2"})
    assert os.readlink(tmp_path / "run" / "data") == "../shared/data-2"


def test_what_is_no_link_is_never_replaced(tmp_path: Path) -> None:
    kept = tmp_path / "run" / "data" / "mine.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(GradiendError, match="run/data: is no link"):
        link(tmp_path, {"run/data": "shared/data-1"})
    assert kept.read_text() == "mine"


@pytest.mark.parametrize("links", ["nonsense", "[1]", '{"a": 1}'])
def test_links_that_are_none_are_named(links: str, tmp_path: Path) -> None:
    (tmp_path / "wanted.json").write_text(links)
    with pytest.raises(GradiendError, match=r"wanted\.json: "):
        link_shared.run(links=tmp_path / "wanted.json", out=tmp_path / "links.json")
