"""What whole experiments cost: CPU seconds of the pipeline, by job, with and without the start of the processes.

    python benchmarks/jobs.py tiny
    python benchmarks/jobs.py real --model FOLDER --data TABLE --neutral TABLE --classes F M [--seeds 1]

`tiny` is three seeds of 30 steps on the demo model and data (which are built first and not counted); `real` one seed of
100 steps on a model and data of yours. Snakemake runs the experiment. For `tiny`, every command that it printed is then
run again inside this one process, whose imports are done: that is the work without the start of processes.
"""

import argparse
import importlib
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from timing import heading, line

from gradiend.stages.command import main as run_stage

PROJECT = Path(__file__).parent.parent
COMMAND = re.compile(r"python (?:-m gradiend\.gpus \d+ )?-m gradiend\.stages\.(\w+) (.*?) 2> ")
COMMON: dict[str, Any] = {
    "use_cached_gradients": True,
    "train_batch_size": 8,
    "source": "alternative",
    "target": "diff",
    "decoder_eval_max_size_training_like": 100,
    "decoder_eval_max_size_neutral": 100,
    "encoder_eval_max_size": 200,  # 100 a class
    "min_convergent_seeds": None,
    "keep_seed_runs": True,
}


def main() -> None:
    """One line for every kind of job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["tiny", "real"])
    parser.add_argument("--model")
    parser.add_argument("--data")
    parser.add_argument("--neutral")
    parser.add_argument("--classes", nargs=2)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.job == "tiny":
            in_one_process(Path(folder), tiny(Path(folder)))
        else:
            by_job(Path(folder), real(given))


def tiny(folder: Path) -> dict[str, Any]:
    """The demo model and data, built in the folder."""
    demo = yaml.safe_load((PROJECT / "config.yaml").read_text()) | {"experiment_dir": "out"}
    snakemake(folder, demo, "out/demo/accuracy.json")
    arguments = COMMON | {"max_steps": 30, "eval_steps": 15, "max_seeds": 3, "learning_rate": 1e-3}
    arguments["train_max_size"] = 120  # a class: the 30 batches that 30 steps use
    arguments |= {"pre_prune_config": {"topk": 0.01, "n_samples": 32}}
    return demo | {"experiment_dir": "out", "training_arguments": arguments}


def real(given: argparse.Namespace) -> dict[str, Any]:
    """An experiment on a model and data of the user's."""
    arguments = COMMON | {"max_steps": 100, "eval_steps": 100, "max_seeds": given.seeds, "learning_rate": 1e-4}
    arguments |= {"pre_prune_config": {"topk": 0.05, "n_samples": 32}, "train_max_size": 400}
    files = {"source": str(Path(given.data).resolve()), "neutral": str(Path(given.neutral).resolve())}
    model = str(Path(given.model).resolve())
    config = {"experiment_dir": "out", "model": model, "data": files, "target_classes": given.classes}
    return config | {"training_arguments": arguments}


def by_job(folder: Path, config: dict[str, Any]) -> None:
    """Run the experiment, and print what Snakemake's own benchmark files say of every job."""
    before = spent()
    snakemake(folder, config, "all")
    heading("job", "CPU s", "peak memory, MiB")
    for file in sorted((folder / "out" / "benchmarks").glob("*.tsv"), key=lambda path: path.stat().st_mtime):
        measured = pd.read_csv(file, sep="\t").iloc[0]
        line([file.stem, float(measured["cpu_time"]), float(measured["max_rss"])])
    line(["all jobs and Snakemake", spent() - before, ""])


def in_one_process(folder: Path, config: dict[str, Any]) -> None:
    """Run the experiment, then its commands again in this process."""
    before = spent()
    printed = snakemake(folder, config, "all")
    whole = spent() - before
    work: dict[str, list[float]] = {}
    warm = False
    for stage, words in COMMAND.findall(printed):
        module = importlib.import_module(f"gradiend.stages.{stage}")
        arguments = [str(folder / word) if word.startswith("out/") else word for word in shlex.split(words)]
        settings = [word.replace('"out/', f'"{folder}/out/') for word in arguments]
        if not warm and stage == "cache_importance":  # loads the model's classes, which is a start of a process
            run(module, settings)
            warm = True
        start = time.process_time()
        run(module, settings)
        work.setdefault(stage, []).append(time.process_time() - start)
    heading("job", "times", "work, CPU s")
    for stage, seconds in work.items():
        line([stage, len(seconds), sum(seconds)])
    line(["all jobs, in one process", sum(map(len, work.values())), sum(map(sum, work.values()))])
    line(["all jobs and Snakemake, as processes", 1, whole])


def run(module: Any, arguments: list[str]) -> None:
    """One stage, with its line of result on standard error."""
    torch.set_grad_enabled(module.__name__.rsplit(".", 1)[-1] != "evaluate_decoder")
    with open("/dev/null", "w") as nowhere:
        sys.stdout, stdout = nowhere, sys.stdout
        try:
            if run_stage(module.run, arguments) != 0:
                sys.exit(f"{module.__name__} failed")
        finally:
            sys.stdout = stdout


def snakemake(folder: Path, config: dict[str, Any], target: str) -> str:
    """What Snakemake prints, every command included."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    words = [sys.executable, "-m", "snakemake", target, "--snakefile", str(PROJECT / "Snakefile"), "--cores", "1", "-p"]
    result = subprocess.run([*words, "--configfile", "config.yaml"], cwd=folder, capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stdout + result.stderr)
    return result.stderr + result.stdout


def spent() -> float:
    """CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
