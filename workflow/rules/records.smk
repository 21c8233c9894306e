# What made the results that are there: Snakemake knows only of those that it made itself, from this working directory.

import os

from gradiend.code import RememberedDigests
from gradiend.files import file_name
from gradiend.records import read_record

MARKS = Path(".snakemake/gradiend-records")
OF_RUNS = ("report", "measure_stability")
COMPARING = ("cross_encode", "compare_runs") if len(RUNS) > 1 else ()
STAGE_OF = {"cache_shard": "cache_gradients"}  # of the rules that have another name
code_of = cache(RememberedDigests(Path(".snakemake/gradiend-code.json")))


def record(stage):
    """Where a stage, or a shard but the first, notes what made its results."""
    if stage == "cache_shard":
        return f"{SHARED}/records/cache_gradients{OF}-{{shard}}.json"
    if stage == "cross_encode":
        return f"{COMPARISON}/records/cross_encode-{{run}}.json"
    if stage == "compare_runs":
        return f"{COMPARISON}/records/compare_runs.json"
    place = f"{ROOT}/records/{stage}" if stage in OF_RUNS else f"{SHARED}/records/{stage}{OF}"
    return f"{place}-{{seed}}.json" if stage in SEED_STAGES else f"{place}.json"


def mark(own):
    return MARKS / file_name(own)


def is_as_now(found, stage, run):
    """Whether a record is of the present settings and code."""
    return found is not None and found.is_of(settings_of(stage, run), code_of(stage))


def is_other(file):
    """Whether another than the job that Snakemake remembers has written an output since."""
    memory = workflow.persistence.metadata(file)
    return (
        memory is not None and not file.is_storage and os.path.isfile(file) and os.stat(file).st_mtime != memory.endtime
    )


def forget_others(rule, stage, own, wildcards):
    """Drop what Snakemake remembers of results that something else has made since, and made as they should be.

    Else it would make them again, for it remembers other settings. Without a memory it compares times alone: what
    reads newer files is made again. A dry run does it, too: what is dropped is about files that are no longer there.
    Of several runs only what they share: its place says what it was made from, which no record of another stage does.
    """
    if MANY and "digest" not in wildcards.keys():
        return
    outputs = [file.apply_wildcards(wildcards) for file in getattr(rules, rule).output]
    if any(map(is_other, outputs)) and is_as_now(read_record(own), stage, run_of(wildcards)):
        for file in outputs:
            workflow.persistence.cleanup_metadata(file)


def as_recorded(stage):
    """An input that is new where the results have a record of other settings or other code, else older than anything."""

    def file(wildcards):
        own = record(stage).format(**dict(wildcards.items()))
        if workflow.is_main_process:
            forget_others(stage, STAGE_OF.get(stage, stage), Path(own), wildcards)
        path = mark(own)
        if not path.exists():  # of a seed that no setting asks for
            path.touch()
            os.utime(path, (0, 0))
        return local(str(path))

    return file


def records_of(run):
    """Stage and record of all results that a run may have."""
    for stage in [*stages_of(RUNS[run]), *OF_RUNS, *COMPARING]:
        seeds = seeds_of(stage, run) if stage in SEED_STAGES else [0]
        yield from ((stage, at(record(stage), run, seed=seed)) for seed in seeds)
    if cached(run):
        yield from (("cache_gradients", at(record("cache_shard"), run, shard=i)) for i in range(1, shards_of_run(run)))


# While the workflow is read: Snakemake lists a folder once, and takes what comes later for missing.
if workflow.is_main_process:
    MARKS.mkdir(parents=True, exist_ok=True)
    for own, (stage, run) in {own: (stage, run) for run in RUNS for stage, own in records_of(run)}.items():
        found = read_record(Path(own))
        other = found is not None and not is_as_now(found, stage, run)
        mark(own).write_text(str(found.finished) if other else "")  # of a small file that is new, the content counts
        os.utime(mark(own), None if other else (0, 0))
