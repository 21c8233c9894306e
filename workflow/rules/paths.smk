# Where everything lies: in the folder of a run or, where several runs may share it, in a folder of its settings' digest.

import json
import re
from pathlib import Path

from gradiend.folders import GRADIEND_FILES
from gradiend.model_files import DEMO_MODELS

FIRST = next(iter(RUNS.values()))
MANY = "" not in RUNS
OUT = FIRST.experiment_dir.rstrip("/")
ROOT = f"{OUT}/{{run}}" if MANY else OUT
# Several runs share a stage exactly when its settings and those of all stages before it are equal.
SHARED, OF = (f"{OUT}/shared", "-{digest}") if MANY else (OUT, "")


def folder(moved, name):
    """A folder that the argument guide lets the user move, the same for all runs."""
    if moved is None:
        return f"{ROOT}/{name}"
    return f"{moved.rstrip('/')}/{{run}}" if MANY else moved.rstrip("/")


def home(stage, own):
    """Where a stage writes: the run's `own` folder or, with several runs, one that runs of equal settings share."""
    return f"{SHARED}/{stage}{OF}" if MANY else own


RUN_MODEL = folder(FIRST.training_arguments.output_dir, "model")
RUN_SEEDS = folder(FIRST.training_arguments.seed_runs_dir, "seeds")
DATA = home("prepare_data", f"{OUT}/data")
MLM_HEAD = home("train_mlm_head", f"{OUT}/mlm_head")
IMPORTANCE = home("cache_importance", f"{OUT}/pruning")
SPACE = home("pre_prune", f"{OUT}/pruning")
GRADIENTS = home("cache_gradients", f"{OUT}/gradients")
TUNING = home("tune_learning_rate", f"{OUT}/tuning")
TRAINED = home("train", RUN_SEEDS)
EVALUATED = home("evaluate_encoder", RUN_SEEDS)
SELECTED = home("select_seed", f"{OUT}/seeds")
MODEL = home("post_prune", RUN_MODEL)
ENCODER = home("evaluate_test", f"{OUT}/encoder")
CONTROL = home("train_control", f"{OUT}/control")
DECODER = home("evaluate_decoder", f"{OUT}/decoder")
REWRITTEN = home("rewrite_model", f"{OUT}/rewritten")
DEMO = f"{OUT}/demo"
COMPARISON = f"{OUT}/comparison"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
SPLITS = ("train", "validation", "test", "neutral")
SEARCH = ("train", "evaluate_encoder")  # of seeds, until enough have converged
SEED_STAGES = (*SEARCH, "train_control")


wildcard_constraints:
    run="|".join(RUNS) if MANY else "[^/]+",
    digest="[0-9a-f]{12}",
    shard=r"[1-9]\d*",
    share=r"\d+",
    seed=r"\d+",
    kind="|".join(DEMO_MODELS.values()),
    group="[0-9a-f]{12}",


def gradiend_files(folder):
    """What a GRADIEND's folder holds."""
    return [f"{folder}/{name}" for name in GRADIEND_FILES]


def folder_of_input(name):
    """The folder of a group of input files, for stages that take folders."""

    def folder(wildcards, input):
        return str(Path(getattr(input, name)[0]).parent)

    return folder


def folder_of_output(name, above=0):
    """The folder of a group of output files, or one `above` it."""

    def folder(wildcards, output):
        return str(Path(getattr(output, name)[0]).parents[above])

    return folder


def run_of(wildcards):
    """The run of a job: of a shared stage, the first of the runs that share it."""
    return SHARING[wildcards.digest] if "digest" in wildcards.keys() else wildcards.get("run", "")


def plain(pattern):
    """The pattern of an output as its rule has it, also where a storage has put its own place before it."""
    stored = getattr(pattern, "flags", {}).get("storage_object")
    return (
        pattern if stored is None else stored.query.removeprefix(f"{workflow.storage_settings.default_storage_prefix}/")
    )


def at(pattern, run, **wildcards):
    """A file of a run's stage: `pattern` with the run, the digest of the stage, and other wildcards filled in."""
    pattern = plain(pattern)
    stage = re.search(r"(\w+)-\{digest\}", pattern)
    return pattern.format(run=run, digest=stage and DIGESTS[run][stage[1]], **wildcards)


def made(patterns):
    """Files that other stages of the same run make."""
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)

    def files(wildcards):
        others = {name: value for name, value in wildcards.items() if name not in ("run", "digest")}
        return [at(pattern, run_of(wildcards), **others) for pattern in patterns]

    return files


def of_all_runs(pattern):
    return expand(pattern, run=list(RUNS)) if MANY else pattern
