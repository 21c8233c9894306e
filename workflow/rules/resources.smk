# What jobs ask for: shards, memory, time, GPUs. Resources are no parameters, for they make nothing stale.

from gradiend.gpus import gpus_wanted
from gradiend.gradients.shards import shards_of
from gradiend.resources import devices_of, needs, size_of

GPUS = workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else 0


def made_from(stage):
    """What decides on the shards of results that are there already."""

    def of_job(wildcards):
        return DIGESTS[run_of(wildcards)][stage]

    return of_job


@cache
def shards_of_run(run):
    """A store keeps its shards: the setting counts where one is made, or made anew from something else."""
    digest = DIGESTS[run]["cache_gradients"]
    return shards_of(Path(at(GRADIENTS, run)), digest, RUNS[SHARING[digest]].shards)


def shard(wildcards):
    """A parameter: the rows of a shard depend on how many there are."""
    return f"{wildcards.get('shard', 0)}/{shards_of_run(run_of(wildcards))}"


@cache
def shares_of_grid(run):
    """The jobs that measure a decoder's grid ahead of the choice; likewise kept."""
    digest = DIGESTS[run]["evaluate_decoder"]
    shares = shards_of(Path(at(DECODER, run)), digest, RUNS[SHARING[digest]].decoder.shards)
    return shares if shares > 1 else 0


def share_of_grid(wildcards):
    return f"{wildcards.share}/{shares_of_grid(run_of(wildcards))}"


def measured(wildcards):
    """What these jobs measure."""
    run = run_of(wildcards)
    return [at(rules.measure_candidates.output[0], run, share=share) for share in range(shares_of_grid(run))]


@cache
def size_of_run(run):
    return size_of(RUNS[run], external_data(run))


def needs_of(stage, wildcards, attempt):
    run = run_of(wildcards)
    return needs(stage, RUNS[run], size_of_run(run)).at_attempt(attempt)


def mem_mb(stage):
    """What a scheduler is asked for; local jobs are bound by it where --resources mem_mb= gives a limit."""

    def of_job(wildcards, attempt):
        return needs_of(stage, wildcards, attempt).mem_mb

    return of_job


def runtime(stage):
    def of_job(wildcards, attempt):
        return needs_of(stage, wildcards, attempt).runtime

    return of_job


def gpu(stage):
    """GPUs are asked for where the user says how many there are: --resources gpu=4, or the profile."""

    def of_job(wildcards):
        return gpus_wanted(devices_of(stage, RUNS[run_of(wildcards)]), GPUS)

    return of_job
