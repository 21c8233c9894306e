# Which runs can be compared, and with what; which runs have seeds to compare.

from collections import Counter

COMPARISON = f"{OUT}/comparison"
COMPARISON_TABLES = ("overlap", "intersections", "cosine", "layers", "cross_encoding", "cross_encoding_classes")


def base_of(run):
    """The base model of a run, as far as it decides which runs can be compared."""
    model = resolved(run).model
    return model.name, model.revision


BASES = Counter(base_of(run) for run in RUNS)


def models(wildcards):
    """What is left of all runs' GRADIENDs after post-pruning."""
    return [at(file, run) for run in RUNS for file in gradiend_files(MODEL)]


def model_folders(wildcards):
    return [at(MODEL, run) for run in RUNS]


def all_runs(wildcards):
    return list(RUNS)


def comparison_settings(wildcards):
    """The same for all runs."""
    return settings_of("compare_runs", next(iter(RUNS)))


def cross_encoded(wildcards):
    return [f"{COMPARISON}/encodings/{run}.parquet" for run in RUNS if BASES[base_of(run)] > 1]


def comparison():
    """What compares runs, where there are several, and seeds, where several may converge and are kept."""
    found = [f"{COMPARISON}/summary.json"] if len(RUNS) > 1 else []
    arguments = {run: config.training_arguments for run, config in RUNS.items()}
    several = [run for run, own in arguments.items() if own.max_seeds > 1 and own.min_convergent_seeds != 1]
    return found + [f"{ROOT}/seeds/stability.json".format(run=run) for run in several if KEEP_SEEDS]
