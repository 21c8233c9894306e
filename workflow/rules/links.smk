# The links that make a run's folder whole, where other runs may share its stages.

from gradiend.files import digest_bytes, write_json

LINKS = Path(".snakemake/gradiend-links")


def links_of_run(wildcards):
    """Link -> what it points to: the folders of a run, as they would lie there without sharing."""
    run = wildcards.run
    links = {f"{ROOT}/data": DATA, f"{ROOT}/pruning/space.safetensors": f"{SPACE}/space.safetensors"}
    if pruned(run):
        links[f"{ROOT}/pruning/importance.safetensors"] = f"{IMPORTANCE}/importance.safetensors"
    if headed(run):
        links[f"{ROOT}/mlm_head"] = MLM_HEAD
    if cached(run):
        links[f"{ROOT}/gradients"] = GRADIENTS
    if searches(run):
        links[f"{ROOT}/tuning"] = TUNING
    if control_seeds(run):
        links[f"{ROOT}/control"] = CONTROL
    links |= {f"{ROOT}/seeds/{name}": f"{SELECTED}/{name}" for name in ("best", "seed_report.json")}
    links |= {RUN_MODEL: MODEL, f"{ROOT}/encoder": ENCODER, f"{ROOT}/decoder": DECODER, f"{ROOT}/rewritten": REWRITTEN}
    for stage in set(stages_of(RUNS[run])) - set(SEED_STAGES):
        links |= journal_links(stage)
    for seed in control_seeds(run):
        links |= journal_links("train_control", f"-{seed}")
    for shard in range(1, shards_of_run(run)) if cached(run) else ():
        links |= journal_links("cache_gradients", f"-{shard}")
    return filled(links, run)


def links_of_seeds(wildcards):
    """The same for the seeds that were tried."""
    links = {}
    for seed in walk_seeds(wildcards)[0]:
        arguments = RUNS[wildcards.run].training_arguments
        names = ["training.json", *["model"] * KEEP_SEEDS]
        if arguments.save_strategy == "steps" and KEEP_SEEDS and not arguments.delete_models:
            names.append("checkpoints")
        own = f"seed_{seed}"
        seed_links = {f"{RUN_SEEDS}/{own}/{name}": f"{TRAINED}/{own}/{name}" for name in names}
        seed_links[f"{RUN_SEEDS}/{own}/evaluation.json"] = f"{EVALUATED}/{own}/evaluation.json"
        for stage in SEARCH:
            seed_links |= journal_links(stage, f"-{seed}")
        links |= filled(seed_links, wildcards.run)
    return links


def journal_links(stage, seed=""):
    """A stage's log, benchmark and record."""
    kinds = {"logs": "log", "benchmarks": "tsv", "records": "json"}
    return {
        f"{ROOT}/{kind}/{stage}{seed}.{end}": f"{SHARED}/{kind}/{stage}{OF}{seed}.{end}" for kind, end in kinds.items()
    }


def filled(links, run):
    return {at(link, run): at(target, run) for link, target in links.items()}


def as_file(links):
    """A JSON file of the links, named by its content: a reason why a job is run quotes params whole."""

    def params(wildcards):
        found = links(wildcards)
        path = LINKS / f"{digest_bytes(json.dumps(found, sort_keys=True).encode())[:16]}.json"
        if not path.exists():
            write_json(path, found)
        return str(path)

    return params


def links(wildcards):
    """What makes a run's folder whole, where other runs may share its stages."""
    return [f"{ROOT}/links.json", f"{RUN_SEEDS}/links.json"] if MANY else []
