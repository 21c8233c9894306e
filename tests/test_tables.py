"""Parquet files."""

from pathlib import Path

import pandas as pd
import pytest

from gradiend.errors import GradiendError
from gradiend.tables import read_table, write_table


def test_a_table_comes_back_without_its_index(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2], "ids": [[1], [2, 3]]}, index=[5, 6])
    write_table(tmp_path / "t.parquet", table)
    back = read_table(tmp_path / "t.parquet")
    assert back.index.tolist() == [0, 1]
    assert [list(ids) for ids in back["ids"]] == [[1], [2, 3]]
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_a_missing_and_a_broken_table_are_named(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"t\.parquet: no such file"):
        read_table(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_text("no table")
    with pytest.raises(GradiendError, match=r"t\.parquet: not a readable Parquet file"):
        read_table(tmp_path / "t.parquet")


def test_a_name_of_a_column_that_is_not_as_it_was_written_is_noticed_or_does_not_count(tmp_path: Path) -> None:
    path, table, noticed = tmp_path / "t.parquet", pd.DataFrame({"split": ["train"], "label": [1.0]}), 0
    write_table(path, table)
    whole = path.read_bytes()
    for at in [at for at in range(len(whole)) if whole[at : at + 5] == b"label"]:
        path.write_bytes(whole[:at] + b"L" + whole[at + 1 :])
        try:
            assert read_table(path).columns.tolist() == ["split", "label"]
        except GradiendError as error:
            noticed += "not a readable Parquet file (its columns are" in str(error)
    assert noticed


def test_a_table_with_an_index_is_read_too(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}, index=[5, 7]).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["a"].tolist() == [1, 2]
