# The jobs that are planned, for `gradiend watch`. File: logs/jobs.json.

from gradiend.watch.plan import Plan, PlannedJob, SeedSearch, write_plan


def plan_of(dag):
    """What Snakemake knows when it begins, and the seeds that may come."""
    needed = set(dag.needrun_jobs())
    timed = {str(job.log[0]): job for job in dag.jobs if job.benchmark}
    to_run = {log: job in needed for log, job in timed.items()}
    jobs = [planned_job(log, job.wildcards, to_run[log]) for log, job in timed.items() if job.rule.name not in SEARCH]
    searches = [search for search in (seed_search(run, to_run) for run in RUNS) if search.jobs[0][0].to_run is not None]
    return Plan(tuple(RUNS), tuple(jobs), tuple(searches))


def planned_job(log, wildcards, to_run, evaluation=""):
    digest = wildcards.get("digest")
    runs = [run for run in RUNS if digest in DIGESTS[run].values() or run == wildcards.get("run")]
    name = Path(log).stem.replace(f"-{digest}", "")
    return PlannedJob(name, str(Path(log).relative_to(OUT)), tuple(runs) if MANY else (), to_run, evaluation)


def seed_search(run, to_run):
    arguments = RUNS[run].training_arguments
    seeds = seed_values(arguments.seed, arguments.max_seeds)
    return SeedSearch(
        seeds=tuple(seeds),
        jobs=tuple(tuple(seed_jobs(run, seed, to_run)) for seed in seeds),
        min_convergent=arguments.min_convergent_seeds,
        metric=arguments.convergent_metric,
        threshold=arguments.convergent_score_threshold,
    )


def seed_jobs(run, seed, to_run):
    """Those that Snakemake does not know of yet may have been made at another time."""
    evaluation = os.path.relpath(at(rules.evaluate_encoder.output[0], run, seed=seed), OUT)
    for stage in SEARCH:
        log = at(getattr(rules, stage).log[0], run, seed=seed)
        digest = {"digest": DIGESTS[run][stage]} if MANY else {}
        yield planned_job(log, digest, to_run.get(log), evaluation if stage == "evaluate_encoder" else "")


def note_plan():
    """Write it, where the results lie on a disk."""
    if workflow.storage_settings.default_storage_provider is None:
        write_plan(Path(OUT), plan_of(workflow.dag))
