"""The index: one page for all runs of an experiment."""

from pathlib import Path
from typing import Any

import pytest
from report_failures import with_no_seed_converged, with_nothing_that_passes
from report_reader import Reader, inputs_of
from report_runs import files

from gradiend.files import write_json
from gradiend.report.common import LARGEST
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
    reader = Reader(render_index("out", summaries, {run: f"{run}/report.html" for run in summaries}))
    assert [link for link in reader.links if link.endswith("html")] == [f"{run}/report.html" for run in summaries]
    assert "2 of 3 seeds converged 0.960 [0.940, 0.970], n = 521 0.900 P(female) on male 0.063 → 0.081" in reader.text
    assert "to strengthen female, LMS kept 99.67 %" in reader.text
    assert "P(female) on male: none chosen" in reader.text


def test_a_run_that_has_not_converged_is_impossible_to_overlook(summaries: dict[str, Any]) -> None:
    text = Reader(render_index("out", summaries, dict.fromkeys(summaries, "a"))).text
    assert "No seed converged in 1 of 3 runs failed: do not rely on what they say." in text
    assert "✗ not converged" in text
    del summaries["failed"]
    assert "No seed converged" not in Reader(render_index("out", summaries, dict.fromkeys(summaries, "a"))).text


def test_settings_that_differ_have_a_column_and_no_others(summaries: dict[str, Any]) -> None:
    columns = {column.name: column for column in columns_of(summaries, dict.fromkeys(summaries, ""))}
    assert [cell.lines[0].text for cell in columns["learning_rate"].cells] == ["auto", "0.1", "0.1"]
    assert "optim" not in columns and "data.mask_placeholder" not in columns


def test_numbers_carry_the_value_by_which_they_are_sorted(summaries: dict[str, Any]) -> None:
    summaries["failed"]["encoder"]["correlation"] = None
    columns = {column.name: column for column in columns_of(summaries, dict.fromkeys(summaries, ""))}
    assert [cell.value for cell in columns["correlation (test)"].cells] == [0.96, "", 0.96]
    assert columns["correlation (test)"].cells[1].lines[0].text == UNKNOWN


def test_names_and_values_of_settings_are_text_never_markup(summaries: dict[str, Any]) -> None:
    markup = "<img src=x onerror=alert(1)>"
    summaries["good"]["config"]["training_arguments"]["learning_rate"] = markup
    reader = Reader(
        render_index(markup, {**summaries, markup: summaries["good"]}, dict.fromkeys([*summaries, markup], "a"))
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


def test_settings_and_classes_that_all_runs_have_are_said_once(summaries: dict[str, Any]) -> None:
    reader = Reader(render_index("out", summaries, dict.fromkeys(summaries, "a")))
    assert reader.text.count("training_arguments.optim: adam") == 1 and "classes: female vs male" in reader.text
    assert reader.text.count("female vs male") == 1
    summaries["good"]["target_classes"] = ["male", "female"]
    text = Reader(render_index("out", summaries, dict.fromkeys(summaries, "a"))).text
    assert "classes: f" not in text and text.count("female vs male") == 2 and "good male vs female" in text


def test_of_many_settings_that_differ_the_last_share_a_column(summaries: dict[str, Any]) -> None:
    for place, run in enumerate(summaries.values()):
        run["config"] = {"target_classes": [str(place)]} | {f"setting-{i}": place for i in range(6)}
    columns = {column.name: column for column in columns_of(summaries, dict.fromkeys(summaries, ""))}
    assert [name for name in columns if "setting" in name] == ["setting-0", "setting-1", "setting-2", "other settings"]
    cell = columns["other settings"].cells[2]
    assert [line.text for line in (*cell.shown, *cell.folded)] == ["setting-3: 2", "setting-4: 2", "setting-5: 2"]
    assert len(cell.folded) == 1


def compared(folder: Path, *kinds: str, **more: Any) -> tuple[Path, Path]:
    """A summary of a comparison and the folder of its figures, of one group of runs for each place of the kinds."""
    plots, pairs = folder / "comparison" / "plots", {"mean": 0.25, "lowest": -0.0001, "highest": 1.0}
    plots.mkdir(parents=True)
    for kind in kinds:
        (plots / f"{kind}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>a map</text></svg>')
    nothing: dict[str, Any] = {"without_decoder": {}, "without_encoder": {}}
    group = {"base_model": "base", "figures": list(kinds), "k": 1000, "top_overlap": pairs, "cosine": pairs, **nothing}
    summary_file = folder / "comparison" / "summary.json"
    write_json(summary_file, {"groups": [group | more], "left_out": {"failed": "no other run has its base model"}})
    return summary_file, plots


def test_the_figures_that_compare_the_runs_are_shown_with_their_numbers(
    summaries: dict[str, Any], tmp_path: Path
) -> None:
    comparison, figures = compared(tmp_path, "cosine", "overlap")
    for run, own in summaries.items():
        write_json(tmp_path / run / "report.json", own)
    numbers = [tmp_path / run / "report.json" for run in summaries]
    index.run(numbers=numbers, comparison=comparison, figures=figures, out=tmp_path / "index.html")
    reader = Reader((tmp_path / "index.html").read_text())
    assert reader.tags.count("svg") == 2 and "comparison/plots/cosine.svg" in reader.links
    assert "mean over pairs 0.250, from 0.000 to 1.000" in reader.text
    assert "Not compared: failed: no other run has its base model." in reader.text
    assert reader.text.index("Entries in common") < reader.text.index("Do the decoders point the same way?")
    index.run(numbers=numbers, out=tmp_path / "index.html")
    assert "in common" not in Reader((tmp_path / "index.html").read_text()).text


def test_a_figure_that_is_too_large_for_the_page_is_a_link(summaries: dict[str, Any], tmp_path: Path) -> None:
    comparison, figures = compared(tmp_path, "layers")
    with (figures / "layers.svg").open("a") as file:
        file.write(" " * LARGEST)
    for run, own in summaries.items():
        write_json(tmp_path / run / "report.json", own)
    numbers = [tmp_path / run / "report.json" for run in summaries]
    index.run(numbers=numbers, comparison=comparison, figures=figures, out=tmp_path / "index.html")
    reader = Reader((tmp_path / "index.html").read_text())
    assert "svg" not in reader.tags and "comparison/plots/layers.svg" in reader.links
