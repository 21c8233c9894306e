"""A small experiment in a folder of its own: its config, its data, its model, and Snakemake on it."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from forks import snakemake
from tiny import save_learnt_model, story_examples, story_neutral

PROJECT = Path(__file__).parent.parent
STAGES = (
    "prepare_data",
    "cache_importance",
    "pre_prune",
    "cache_gradients",
    "train",
    "evaluate_encoder",
    "select_seed",
    "post_prune",
    "evaluate_test",
    "evaluate_decoder",
    "rewrite_model",
    "report",
)
RESULTS = ("data", "pruning", "gradients", "seeds", "model", "encoder", "decoder", "rewritten")
BESIDE = ("gather_encoders", "cross_encode", "compare_runs", "measure_stability")  # what compares runs, and seeds
CONFIG: dict[str, Any] = {
    "experiment_dir": "out",
    "model": "model",
    "data": {"source": "examples.csv", "neutral": "neutral.csv"},
    "target_classes": ["female", "male"],
    "training_arguments": {
        "use_cached_gradients": True,
        "keep_seed_runs": True,
        "add_identity_for_other_classes": True,
        "learning_rate": "auto",
        "max_steps": 40,
        "eval_steps": 10,
        "train_batch_size": 2,
        "max_seeds": 3,
        "min_convergent_seeds": 2,
        "convergent_score_threshold": -1.0,
        "pre_prune_config": {"n_samples": 8, "topk": 0.5, "source": "diff"},
        "post_prune_config": {"topk": 0.5},
    },
    "decoder": {"learning_rates": [0.3, 0.1, 0.03, 0.01], "directions": ["strengthen", "weaken", "balance"]},
}


@dataclass(frozen=True)
class Experiment:
    """A folder with a config, and how Snakemake is called there."""

    folder: Path
    snakefile: Path = PROJECT / "Snakefile"

    @classmethod
    def new(cls, folder: Path, snakefile: Path = PROJECT / "Snakefile", **changes: Any) -> "Experiment":
        """Write model, data and config."""
        save_learnt_model(folder / "model")
        story_examples().to_csv(folder / "examples.csv", index=False)
        story_neutral().to_csv(folder / "neutral.csv", index=False)
        experiment = cls(folder, snakefile)
        experiment.write(experiment.config(changes))
        return experiment

    @staticmethod
    def config(changes: dict[str, Any]) -> dict[str, Any]:
        """The config with some keys changed; `a__b` is key b of a."""
        config = copy.deepcopy(CONFIG)
        for key, value in changes.items():
            *parents, last = key.split("__")
            owner = config
            for parent in parents:
                owner = owner.setdefault(parent, {})
            owner[last] = value
        return config

    def copied_to(self, folder: Path) -> "Experiment":
        """A copy of the experiment and of what Snakemake remembers of it, with the times of all files."""
        return Experiment(Path(shutil.copytree(self.folder, folder, symlinks=True)), self.snakefile)

    def remember_others(self, *, rewritten: bool) -> None:
        """Let Snakemake remember that other settings made all results; `rewritten`: and that they were other files."""
        for path in (self.folder / ".snakemake" / "metadata").rglob("*"):
            if path.is_file() and (content := json.loads(path.read_text()))["rule"] in {*STAGES, "cache_shard"}:
                content |= {"params": ["'other'"], "endtime": content["endtime"] - 1 * rewritten}
                path.write_text(json.dumps(content))

    def write(self, config: dict[str, Any], name: str = "config.yaml") -> None:
        """Write a config file."""
        (self.folder / name).write_text(yaml.safe_dump(config, sort_keys=False))

    def call(self, *arguments: str, config: str = "config.yaml", environment: dict[str, str] | None = None) -> str:
        """Snakemake's output; its exit code is the first line."""
        if "-n" in arguments and self.snakefile.parent == PROJECT and environment is None:
            return self._plan([*arguments, "--snakefile", str(self.snakefile), "--configfile", config])
        command = [sys.executable, "-m", "snakemake", *arguments, "--snakefile", str(self.snakefile)]
        settings = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **(environment or {})}
        result = subprocess.run(
            [*command, "--configfile", config],
            cwd=self.folder,
            env=os.environ | settings,
            capture_output=True,
            text=True,
        )
        return f"{result.returncode}\n{result.stdout}\n{result.stderr}"

    def _plan(self, arguments: list[str]) -> str:
        """The same by a fork of a process that has Snakemake loaded, which takes longer than to plan."""
        code, stdout, stderr = snakemake(arguments, self.folder)
        return f"{code}\n{stdout}\n{stderr}"

    def run(self, *arguments: str, **options: Any) -> str:
        """Run to the end, or fail with what Snakemake printed."""
        output = self.call("--cores", "2", *arguments, **options)
        assert output.startswith("0\n"), output
        return output

    def stale(self, **changes: Any) -> Counter[str]:
        """The jobs that would run after some changes of the config."""
        self.write(self.config(changes), "changed.yaml")
        return self.planned(config="changed.yaml")

    def planned(self, **options: Any) -> Counter[str]:
        """The jobs that would run now, but for those that compare."""
        found = self.planned_with_comparison(**options)
        return Counter({name: count for name, count in found.items() if name not in BESIDE})

    def planned_with_comparison(self, **options: Any) -> Counter[str]:
        """All jobs that would run now."""
        output = self.call("-n", **options)
        assert output.startswith("0\n"), output
        return Counter(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$", output, re.M)) - Counter(all=1, index=1)

    def path(self, *parts: str) -> Path:
        """A file of the results."""
        return self.folder.joinpath("out", *parts)

    def contents(self) -> dict[str, bytes]:
        """Every result but figures and report, which show times."""
        files = (path for name in RESULTS for path in sorted(self.path(name).rglob("*")) if path.is_file())
        return {str(path.relative_to(self.path())): path.read_bytes() for path in files}

    def table(self, *parts: str) -> pd.DataFrame:
        """A Parquet file of the results."""
        return pd.read_parquet(self.path(*parts))


def from_stage(first: str, seeds: int = 2) -> Counter[str]:
    """A stage and all after it, as jobs; `seeds` of training and of evaluation."""
    names = STAGES[STAGES.index(first) :]
    return Counter({name: seeds if name in ("train", "evaluate_encoder") else 1 for name in names})


def copy_of_workflow(folder: Path) -> Path:
    """The workflow and the package in another folder, where a test may change them; its Snakefile."""
    for name in ("workflow", "gradiend", "profiles", "envs"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(PROJECT / name, folder / name)
    return folder / "Snakefile"
