"""Benchmarks: what every job cost."""

from pathlib import Path

import pytest
from report_reader import words_of
from report_runs import files

from gradiend.report.inputs import read_benchmarks


def test_benchmarks_are_shown_in_the_order_of_the_pipeline_and_may_be_incomplete(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    header = "s\th:m:s\tmax_rss\tmax_vms\n"
    (folder / "train-0.tsv").write_text(header + "62.5\t0:01:02\t512.5\t-\n")
    (folder / "prepare_data.tsv").write_text(header + "2.5\t0:00:02\tNA\t-\n")
    (folder / "select_seed.tsv").write_text("")
    (folder / "report.tsv").write_text(header + "1\t0:00:01\t1\t1\n")
    table = read_benchmarks(folder)
    assert table["job"].tolist() == ["prepare_data", "train-0"]
    assert table["memory"].isna().tolist() == [True, False]
    text = words_of(files(), folder)
    assert "1 min 2 s 512 MiB" in text and "All jobs together: 1 min 5 s." in text


@pytest.mark.parametrize("folder", [None, Path("/nowhere/at/all")])
def test_without_benchmarks_the_page_says_so(folder: Path | None) -> None:
    assert "No benchmark files were found." in words_of(files(), folder)
