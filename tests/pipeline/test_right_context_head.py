"""Gradients through a head on the hidden states behind the slot, in the pipeline."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from experiment import PROJECT, STAGES, Experiment

HEAD = "training_arguments__prediction_objective"
DEMO: dict[str, Any] = {
    "experiment_dir": "out",
    "model": "demo-causal",
    "data": {"source": "demo", "neutral": "demo"},
    "target_classes": ["female", "male"],
    "training_arguments": {
        "prediction_objective": "clm_mlm_head",
        "use_cached_gradients": True,
        "keep_seed_runs": True,
        "learning_rate": "auto",
        "train_batch_size": 8,
        "eval_steps": 50,
        "pre_prune_config": {"n_samples": 64, "topk": 0.1, "source": "diff"},
    },
}


def test_the_head_is_trained_only_where_the_objective_asks_for_it(tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path)
    assert experiment.planned()["train_mlm_head"] == 0
    assert experiment.stale(**{HEAD: "clm_mlm_head"})["train_mlm_head"] == 1


def snakemake(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--configfile", "c.yaml"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    result = subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.mark.long
def test_the_head_of_the_demo_sees_what_the_left_context_does_not_say_and_a_new_window_reruns_what_follows(
    tmp_path: Path,
) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(DEMO))
    snakemake(tmp_path, "--cores", "2")
    out = tmp_path / "out"
    quality = json.loads((out / "mlm_head" / "quality.json").read_text())
    for split in ("validation", "test"):
        assert quality[split]["n"] == 200 and quality[split]["better"]
        assert quality[split]["accuracy"] > quality[split]["majority"]["share"] + 0.15
    assert json.loads((out / "encoder" / "metrics.json").read_text())["test"]["correlation"] >= 0.9
    base = json.loads((out / "decoder" / "summary.json").read_text())["base"]["test"]
    assert abs(base["p_female_on_male"] - base["p_female_on_female"]) < 0.1  # the model's own, which cannot know
    assert "Right-context head" in (out / "report.html").read_text(encoding="utf-8")
    changed = DEMO | {"training_arguments": DEMO["training_arguments"] | {"mlm_head": {"right_window": 12}}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(changed))
    jobs = Counter(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$", snakemake(tmp_path, "-n"), re.M))
    assert set(jobs) == {"train_mlm_head", *STAGES[1:], "all"}
