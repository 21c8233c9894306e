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
