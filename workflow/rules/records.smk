# What made the results that are there: Snakemake knows only of those that it made itself, from this working directory.

import os

from gradiend.code import RememberedDigests
from gradiend.files import file_name
from gradiend.records import read_record

MARKS = Path(".snakemake/gradiend-records")
OF_RUNS = ("report", "measure_stability")
code_of = cache(RememberedDigests(Path(".snakemake/gradiend-code.json")))


def record(stage):
    """Where a stage, or a shard but the first, notes what made its results."""
    if stage == "cache_shard":
        return f"{SHARED}/records/cache_gradients{OF}-{{shard}}.json"
    place = f"{ROOT}/records/{stage}" if stage in OF_RUNS else f"{SHARED}/records/{stage}{OF}"
    return f"{place}-{{seed}}.json" if stage in SEED_STAGES else f"{place}.json"


def mark(own):
    return MARKS / file_name(own)


def as_recorded(stage):
    """An input that is new where the results have a record of other settings or other code, else older than anything."""

    def file(wildcards):
        path = mark(record(stage).format(**dict(wildcards.items())))
        if not path.exists():  # of a seed that no setting asks for
            path.touch()
            os.utime(path, (0, 0))
        return local(str(path))

    return file


def records_of(run):
    """Stage and record of all results that a run may have."""
    for stage in [*stages_of(run), *OF_RUNS]:
        seeds = seeds_of(stage, run) if stage in SEED_STAGES else [0]
        yield from ((stage, at(record(stage), run, seed=seed)) for seed in seeds)
    if cached(run):
        yield from (("cache_gradients", at(record("cache_shard"), run, shard=i)) for i in range(1, shards_of_run(run)))


# While the workflow is read: Snakemake lists a folder once, and takes what comes later for missing.
if workflow.is_main_process:
    MARKS.mkdir(parents=True, exist_ok=True)
    for own, (stage, run) in {own: (stage, run) for run in RUNS for stage, own in records_of(run)}.items():
        found = read_record(Path(own))
        other = found is not None and not found.is_of(settings_of(stage, run), code_of(stage))
        mark(own).write_text(str(found.finished) if other else "")  # of a small file that is new, the content counts
        os.utime(mark(own), None if other else (0, 0))
