"""The pipeline as it is called from a command line, with right and with wrong input."""

import re
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from experiment import PROJECT, Experiment, from_stage

pytestmark = pytest.mark.xdist_group("staleness")


def test_a_second_run_has_nothing_to_do(finished: Experiment) -> None:
    assert "Nothing to be done" in finished.run()


def test_every_finished_stage_says_its_result_in_one_line(tmp_path: Path) -> None:
    one = {"training_arguments__max_seeds": 1, "training_arguments__min_convergent_seeds": 1}
    output = Experiment.new(tmp_path, **one, training_arguments__convergent_score_threshold=0.5).run("--cores", "1")
    for line in ("prepare_data: ", "seed 0: 40 steps", "seed 0: correlation ", "select_seed: seed 0", "report: "):
        assert re.search(f"^{line}", output, re.M), output


def test_a_config_file_inherits_nothing_from_the_default_config(finished: Experiment) -> None:
    config = finished.config({})
    del config["training_arguments"]["use_cached_gradients"]  # config.yaml sets it, the guide's default is false
    finished.write(config, "bare.yaml")
    assert "cache_gradients" not in finished.planned(config="bare.yaml")


def test_config_values_of_the_command_line_are_read_like_yaml(finished: Experiment) -> None:
    changed = finished.call("-n", "--config", "training_arguments={learning_rate: 1e-4, seed: null}")
    assert changed.startswith("0\n") and "rule train:" in changed and "rule cache_gradients:" not in changed
    other = finished.call("-n", "--config", "experiment_dir=elsewhere")
    assert "elsewhere/report.html" in other and "rule prepare_data:" in other


def test_results_lie_under_the_directory_given(tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    config = experiment.config(
        {"model": "../model", "data__source": "../examples.csv", "data__neutral": "../neutral.csv"}
    )
    experiment.write(config)
    output = experiment.call("-n", "--directory", "elsewhere")
    assert output.startswith("0\n") and "rule prepare_data:" in output, output


def test_summary_and_report_work(finished: Experiment) -> None:
    assert "out/report.html" in finished.call("--summary")
    output = finished.call("--report", "snakemake-report.html", environment={"https_proxy": "http://127.0.0.1:9"})
    assert output.startswith("0\n"), output
    page = (finished.folder / "snakemake-report.html").read_text(encoding="utf-8")
    for part in ("encoded_values", "Figures", "A figure of the run's page", "out/report.html"):
        assert part in page, part


def test_a_page_lies_in_the_archive_where_it_looks_for_itself(finished: Experiment) -> None:
    output = finished.call("--report", "archive.zip", environment={"https_proxy": "http://127.0.0.1:9"})
    assert output.startswith("0\n"), output
    (page,) = [
        name for name in ZipFile(finished.folder / "archive.zip").namelist() if "/raw/" in name and "html" in name
    ]
    script = files("gradiend.report").joinpath("page.js").read_text(encoding="utf-8")
    assert r"/\/data\/raw\/[0-9a-f]+\/[^/]+$/.test(location.pathname)" in script
    assert re.search(r"/data/raw/[0-9a-f]+/report\.html$", page)


@pytest.mark.parametrize("model", ["demo", "demo-causal"])
def test_the_default_config_plans_from_another_directory(model: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-n",
        "--snakefile",
        str(PROJECT / "Snakefile"),
        "--directory",
        str(tmp_path),
        "--config",
        f"model={model}",
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    jobs = Counter(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$", result.stdout + result.stderr, re.M))
    assert jobs == from_stage("prepare_data", 1) + Counter(
        build_demo_data=1, build_demo_model=1, check_demo_model=1, all=1
    )


def test_runs_have_folders_of_their_own(finished: Experiment) -> None:
    runs = {"a": {"training_arguments": {"latent_dim": 2}}, "b": {"target_classes": ["male", "female"]}}
    finished.write(finished.config({"runs": runs}), "runs.yaml")
    output = finished.call("-n", config="runs.yaml")
    assert output.startswith("0\n") and {"out/a/report.html", "out/b/report.html", "out/index.html"} <= set(
        re.findall(r"out/\S+\.html", output)
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"training_arguments__learning_rte": 1},
        "training_arguments.learning_rte: unknown setting 'learning_rte' (did you mean 'learning_rate'?)",
    ),
    ({"training_arguments__source": "factul"}, "did you mean 'factual'"),
    ({"training_arguments__max_seeds": 0}, "training_arguments.max_seeds: 0 is wrong"),
    ({"modle": "x"}, "unknown setting 'modle' (did you mean 'model'?)"),
    ({"target_classes": ["female"]}, "target_classes: ['female'] is wrong: should be a list of two different classes"),
    ({"data__source": "exampels.csv"}, "data.source: exampels.csv: no such file (did you mean 'examples.csv'?)"),
    ({"model": "./modle"}, "model: './modle': no such folder, and not a Hugging Face id"),
    ({"model": {"name": "model", "revision": "v1"}}, "model.revision: 'v1': 'model' is a local folder"),
    (
        {"training_arguments__output_dir": "model"},
        "training_arguments.output_dir: 'model' is in model 'model', of which every file is read",
    ),
    ({"training_arguments__output_dir": "mine"}, "mine: holds 'notes.txt', which is not of a GRADIEND"),
    ({"training_arguments__output_dir": "out/data"}, "training_arguments.output_dir: 'out/data' is in 'out/data'"),
]


@pytest.mark.parametrize(
    ("changes", "message"), WRONG, ids=lambda value: "-".join(value) if isinstance(value, dict) else ""
)
def test_a_wrong_config_ends_before_any_job_with_one_line(
    finished: Experiment, changes: dict[str, Any], message: str
) -> None:
    (finished.folder / "mine").mkdir(exist_ok=True)
    (finished.folder / "mine" / "notes.txt").touch()
    finished.write(finished.config(changes), "wrong.yaml")
    output = finished.call("-n", config="wrong.yaml")
    assert only_line(output).startswith("wrong.yaml: ") and message in output


def only_line(output: str) -> str:
    """The one line that a failed call printed besides Snakemake's own about its profile."""
    code, *lines = output.splitlines()
    (line,) = [line for line in lines if line and not line.startswith("Using workflow specific profile")]
    assert code == "1"
    return line


def test_a_key_that_is_there_twice_ends_before_any_job_with_one_line(finished: Experiment) -> None:
    (finished.folder / "twice.yaml").write_text("model: a\nmodel: b\n")
    for option in ("-n", "--lint"):
        line = only_line(finished.call(option, config="twice.yaml"))
        assert line == "twice.yaml: model: is in line 1 and again in line 2: keep one of them"


def test_a_wrong_param_pattern_names_the_nearest_parameter(tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path, training_arguments__params=["bert.encoder.layer.7.*"])
    output = experiment.call("--cores", "1")
    assert not output.startswith("0\n")
    assert "params: 'bert.encoder.layer.7.*' matches no backbone parameter" in output
    assert not experiment.path("pruning", "importance.safetensors").exists()
