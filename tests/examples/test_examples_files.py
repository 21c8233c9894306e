"""Which local files a source reads."""

import subprocess
import sys
from pathlib import Path

import pytest

from gradiend.errors import GradiendError
from gradiend.examples.files import data_files


def test_a_table_file_reads_itself(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x")
    assert data_files(str(file)) == [file]


def test_a_source_per_class_reads_all_its_files(tmp_path: Path) -> None:
    files = [tmp_path / "b.csv", tmp_path / "a.tsv"]
    for file in files:
        file.write_text("x")
    assert data_files({"female": str(files[0]), "male": str(files[1])}) == files


def test_a_folder_reads_all_files_below_it_sorted(tmp_path: Path) -> None:
    names = ["b/2.csv", "b/1.csv", "a.json"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert data_files(str(tmp_path)) == [tmp_path / name for name in sorted(names)]


@pytest.mark.parametrize("source", [None, "demo", "org/data-set_v1.0", "org/data:one", "wikitext"])
def test_the_demo_hub_ids_and_no_source_read_no_local_file(source: str | None) -> None:
    assert data_files(source) == []


def test_a_missing_file_is_an_error_with_the_nearest_name_there(tmp_path: Path) -> None:
    (tmp_path / "gender.csv").write_text("x")
    with pytest.raises(GradiendError, match=r"gendr\.csv: no such file \(did you mean 'gender\.csv'\?\)"):
        data_files(str(tmp_path / "gendr.csv"))


def test_a_missing_folder_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"a\.csv: no such file, and no folder '.*nowhere'"):
        data_files(str(tmp_path / "nowhere" / "a.csv"))


@pytest.mark.parametrize("source", ["data.csv", "./data", "/data/somewhere/else", "a/b/c", "table.xlsx"])
def test_what_looks_like_a_path_is_never_taken_for_a_hub_id(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GradiendError, match="no such file"):
        data_files(source)


def test_an_unknown_table_format_is_an_error_that_lists_the_right_ones(tmp_path: Path) -> None:
    (tmp_path / "data.xlsx").write_text("x")
    with pytest.raises(GradiendError, match=r"data\.xlsx: '\.xlsx' is no table format: use one of \.csv, .*\.jsonl"):
        data_files(str(tmp_path / "data.xlsx"))


def test_planning_does_not_import_pandas() -> None:
    program = "import sys, gradiend.examples.files; sys.exit('pandas' in sys.modules or 'datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
