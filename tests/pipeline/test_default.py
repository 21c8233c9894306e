"""The default experiment, from nothing to its report, with each of the demo's models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from experiment import PROJECT


def snakemake(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(PROJECT / "Snakefile")]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [*command, "--directory", str(folder), *options], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "accuracy"),
    [("demo", "accuracy.json"), pytest.param("demo-causal", "accuracy-causal.json", marks=pytest.mark.long)],
)
def test_the_default_experiment_separates_and_rewrites_and_runs_only_once(
    model: str, accuracy: str, tmp_path: Path
) -> None:
    options = ("--config", f"model={model}")
    snakemake(tmp_path, *options)
    results = tmp_path / "results" / "demo"
    assert json.loads((results / "encoder" / "metrics.json").read_text())["test"]["correlation"] >= 0.9
    assert json.loads((results / "demo" / accuracy).read_text())["accuracy"] >= 0.95
    summary = json.loads((results / "decoder" / "summary.json").read_text())
    for name, other in (("female", "male"), ("male", "female")):
        chosen = summary[name]["strengthen"]
        for split in ("validation", "test"):
            scored = f"p_{name}_on_{other}"
            assert chosen[split][scored] > summary["base"][split][scored]
        assert chosen["validation"]["lms"] >= 0.99 * summary["base"]["validation"]["lms"]
    assert (results / "report.html").stat().st_size < 5_000_000
    assert "Nothing to be done" in snakemake(tmp_path, *options)
