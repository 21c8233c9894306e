# Which runs can be compared, and with what; which runs have seeds to compare.

from gradiend.files import digest_bytes

COMPARISON_TABLES = ("overlap", "intersections", "cosine", "layers", "cross_encoding", "cross_encoding_classes")


def group_of(run):
    """12 hex digits: of the base model of a run, and of the runs on it."""
    return digest_bytes(repr((base_of(run), comparable(run))).encode())[:12]


GROUPS = {group_of(run): comparable(run) for run in RUNS}


def runs_of_group(wildcards):
    """The runs on one base model, or all."""
    return GROUPS[wildcards.group] if "group" in wildcards.keys() else list(RUNS)


def models(wildcards):
    """What is left of their GRADIENDs after post-pruning."""
    return [at(file, run) for run in runs_of_group(wildcards) for file in gradiend_files(MODEL)]


def model_folders(wildcards):
    return [at(MODEL, run) for run in runs_of_group(wildcards)]


def encoders_of_group(wildcards):
    return f"{COMPARISON}/encoders-{group_of(wildcards.run)}.safetensors"


def comparison_settings(wildcards):
    """The same for all runs."""
    return settings_of("compare_runs", next(iter(RUNS)))


def cross_encoded(wildcards):
    return [f"{COMPARISON}/encodings/{run}.parquet" for run in RUNS if len(comparable(run)) > 1]


def comparison():
    """What compares runs, where there are several, and seeds, where several may converge and are kept."""
    found = [f"{COMPARISON}/summary.json"] if len(RUNS) > 1 else []
    arguments = {run: config.training_arguments for run, config in RUNS.items()}
    several = [run for run, own in arguments.items() if own.max_seeds > 1 and own.min_convergent_seeds != 1]
    return found + [f"{ROOT}/seeds/stability.json".format(run=run) for run in several if KEEP_SEEDS]
