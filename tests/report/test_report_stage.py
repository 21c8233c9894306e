"""The stage report: files in, a page, its numbers and its figures out."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report_failures import with_a_degenerate_encoder, with_supervised_encoder, without_neutral_texts, without_records
from report_reader import options_of, page_of, write_run
from report_runs import FIRST, SECOND, decoder_of, files

from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.stages import report
from gradiend.stages.command import main


def test_a_run_in_which_everything_failed_still_has_a_page(tmp_path: Path) -> None:
    run = files()
    for change in (with_supervised_encoder, with_a_degenerate_encoder, without_neutral_texts, without_records):
        change(run)
    page = page_of(tmp_path, run)
    assert "No seed converged" in page and "NaN" not in page


def test_the_same_input_gives_the_same_bytes_and_old_figures_go(tmp_path: Path) -> None:
    given = write_run(tmp_path, files())
    report.run(**given)
    first = contents(tmp_path)
    (given["plots"] / "of_an_earlier_run.svg").write_text("")
    report.run(**given)
    assert contents(tmp_path) == first


def test_every_figure_has_its_svg_and_its_data(tmp_path: Path) -> None:
    page_of(tmp_path, files())
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    figures = ["convergence", "encoded_values", "encoded_words", "kept_entries", "seeds", "update_shares"]
    figures += [
        f"{kind}_strengthen_{name}" for kind in ("decoder_grid", "probability_shift") for name in (FIRST, SECOND)
    ]
    assert names == {f"{name}.{kind}" for name in figures for kind in ("svg", "csv")} | {"config.yaml"}
    data = pd.read_csv(tmp_path / "plots/encoded_values.csv")
    assert list(data) == ["example_id", "split", "name", "word", "encoded", "text"] and len(data) == 1550
    shift = pd.read_csv(tmp_path / "plots/probability_shift_strengthen_female.csv")
    assert shift["after"].tolist()[2] == pytest.approx(measured_after(FIRST, SECOND), abs=1e-9)


def test_the_numbers_are_those_of_the_answers(tmp_path: Path) -> None:
    page_of(tmp_path, files())
    numbers = read_json(tmp_path / "report.json")
    assert numbers["encoder"] == {
        "correlation": 0.96,
        "correlation_interval": [0.94, 0.97],
        "n": 521,
        "mean_difference": 0.9,
    }
    assert numbers["seeds"]["converged"] == 2 and numbers["answers"][0]["verdict"] == "yes"
    assert [one["name"] for one in numbers["rewrites"]] == ["strengthen female", "strengthen male"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def measured_after(first: str, second: str) -> float:
    _, decoder = decoder_of(first, second)
    return float(decoder[first]["strengthen"]["test"][f"p_{first}_on_{second}"])


def test_the_stage_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = files()
    with_supervised_encoder(run)
    given = write_run(tmp_path, run)
    assert main(report.run, options_of(given)) == 0
    assert capsys.readouterr().out == f"report: {given['out']}\n"


@pytest.mark.parametrize("seed", [7, None, [0]])
def test_a_best_seed_that_was_not_trained_is_named(tmp_path: Path, seed: Any) -> None:
    run = files()
    run["seed_report"]["best_seed"] = seed
    with pytest.raises(GradiendError, match=r"best_seed .* of its seed_report\.json is none of the trained seeds \["):
        page_of(tmp_path, run)


def test_a_broken_input_is_named_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = write_run(tmp_path, files())
    given["decoder"].write_text("{")
    assert main(report.run, options_of(given)) == 1
    assert f"{given['decoder']}: not a JSON file" in capsys.readouterr().err
    assert not given["out"].exists() and not given["plots"].exists()


def test_a_config_that_is_not_that_of_the_weights_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = files()
    run["model_config"] |= {"latent_dim": 2, "latent": 1}
    given = write_run(tmp_path, run)
    assert main(report.run, options_of(given)) == 1
    assert f"{given['weights']}: not the weights of a GRADIEND like its config.json" in capsys.readouterr().err
