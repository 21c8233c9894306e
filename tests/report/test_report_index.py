"""The index: one page for all runs of an experiment."""

from pathlib import Path
from typing import Any

import pytest
from report_failures import with_no_seed_converged, with_nothing_that_passes
from report_reader import Reader, inputs_of
from report_runs import files

from gradiend.files import write_json
from gradiend.report.index import columns_of, render_index
from gradiend.report.numbers import UNKNOWN
from gradiend.report.summary import summary
from gradiend.stages import index


def of(run: dict[str, Any], **config: Any) -> dict[str, Any]:
    run["config"] = run["config"] | config
    return summary(inputs_of(run))


@pytest.fixture
def summaries() -> dict[str, Any]:
    failed, unchosen = files(), files()
    with_no_seed_converged(failed)
    with_nothing_that_passes(unchosen)
    rates = {"training_arguments": {"learning_rate": 0.1, "optim": "adam"}}
    return {
        "good": of(files(), training_arguments={"learning_rate": "auto", "optim": "adam"}),
        "failed": of(failed, **rates),
        "unchosen": of(unchosen, **rates),
    }


def test_every_run_has_a_line_with_its_numbers_and_a_link(summaries: dict[str, Any]) -> None:
    reader = Reader(render_index("out", summaries, {run: f"{run}/report.html" for run in summaries}, {}))
    assert [link for link in reader.links if link.endswith("html")] == [f"{run}/report.html" for run in summaries]
    assert "0.960 [0.940, 0.970] 521 0.900 2 of 3 P(female) on male: 0.063 → 0.081, LMS kept 99.67 %" in reader.text
    assert "P(female) on male: none chosen" in reader.text


def test_a_run_that_has_not_converged_is_impossible_to_overlook(summaries: dict[str, Any]) -> None:
    text = Reader(render_index("out", summaries, dict.fromkeys(summaries, "a"), {})).text
    assert "No seed converged in 1 of 3 runs failed: do not rely on what they say." in text
    assert "✗ not converged" in text
    del summaries["failed"]
    assert "No seed converged" not in Reader(render_index("out", summaries, dict.fromkeys(summaries, "a"), {})).text


def test_settings_that_differ_have_a_column_and_no_others(summaries: dict[str, Any]) -> None:
    columns = {column.name: column for column in columns_of(summaries, dict.fromkeys(summaries, ""))}
    assert [cell.lines for cell in columns["learning_rate"].cells] == [("auto",), ("0.1",), ("0.1",)]
    assert "optim" not in columns and "data.mask_placeholder" not in columns


def test_numbers_carry_the_value_by_which_they_are_sorted(summaries: dict[str, Any]) -> None:
    summaries["failed"]["encoder"]["correlation"] = None
    columns = {column.name: column for column in columns_of(summaries, dict.fromkeys(summaries, ""))}
    assert [cell.value for cell in columns["correlation (test)"].cells] == [0.96, "", 0.96]
    assert [cell.lines for cell in columns["correlation (test)"].cells][1] == (UNKNOWN,)


def test_names_and_values_of_settings_are_text_never_markup(summaries: dict[str, Any]) -> None:
    markup = "<img src=x onerror=alert(1)>"
    summaries["good"]["config"]["training_arguments"]["learning_rate"] = markup
    reader = Reader(
        render_index(markup, {**summaries, markup: summaries["good"]}, dict.fromkeys([*summaries, markup], "a"), {})
    )
    assert "img" not in reader.tags and markup in reader.text


def test_the_stage_names_runs_by_their_folders_and_links_to_their_pages(
    summaries: dict[str, Any], tmp_path: Path
) -> None:
    for run, own in summaries.items():
        write_json(tmp_path / run / "report.json", own)
    numbers = [tmp_path / run / "report.json" for run in summaries]
    assert index.run(numbers=numbers, out=tmp_path / "index.html") == f"index: 3 runs in {tmp_path / 'index.html'}"
    assert 'href="good/report.html"' in (tmp_path / "index.html").read_text()


def test_the_figures_that_compare_the_runs_are_one_click_away(summaries: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "comparison" / "plots").mkdir(parents=True)
    (tmp_path / "comparison" / "plots" / "cosine_of_decoders.svg").touch()
    for run, own in summaries.items():
        (tmp_path / run).mkdir()
        write_json(tmp_path / run / "report.json", own)
    numbers, figures = [tmp_path / run / "report.json" for run in summaries], tmp_path / "comparison" / "plots"
    index.run(numbers=numbers, figures=figures, out=tmp_path / "index.html")
    reader = Reader((tmp_path / "index.html").read_text())
    assert "comparison/plots/cosine_of_decoders.svg" in reader.links and "Figures: cosine of decoders" in reader.text
    index.run(numbers=numbers, out=tmp_path / "index.html")
    assert "in common" not in Reader((tmp_path / "index.html").read_text()).text
