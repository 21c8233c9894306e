"""The config files in examples/: each plans all stages of all its runs, without any download."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from experiment import PROJECT, from_stage

EXAMPLES = sorted((PROJECT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_plans_every_stage_of_every_run_offline(path: Path, tmp_path: Path) -> None:
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    shutil.copy(path, tmp_path / "config.yaml")
    for file in (config["data"].get("source"), config["data"].get("neutral")):
        if isinstance(file, str) and file.endswith(".csv"):  # the user's own tables
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_text("masked,label,label_class\n")
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(PROJECT / "Snakefile")]
    result = subprocess.run(
        [*command, "--configfile", "config.yaml"],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    jobs = Counter(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$", result.stdout + result.stderr, re.M))
    runs = len(config.get("runs", {}))
    of_a_run = from_stage("prepare_data", 1) + Counter({"link_run": 1, "link_seeds": 1} if runs else {})
    comparing = Counter(gather_encoders=1, cross_encode=runs, compare_runs=1) if runs > 1 else Counter()
    own = Counter({stage: (runs or 1) * n for stage, n in of_a_run.items()})
    assert jobs == own + comparing + Counter(all=1, index=min(runs, 1))


def test_the_examples_are_the_families_and_data_that_they_promise() -> None:
    names = {path.stem for path in EXAMPLES}
    assert names == {
        "bert-gender",
        "german-articles",
        "gpt2-gender",
        "qwen-gender",
        "race-religion",
        "sentiment-classifier",
    }
