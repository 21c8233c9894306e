# Settings and input functions. The rules hold no logic, and the package knows no paths.

import shlex
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from snakemake.exceptions import IncompleteCheckpointException
from snakemake_interface_executor_plugins.settings import DeploymentMethod

from gradiend.devices import SPREAD
from gradiend.examples.files import data_files
from gradiend.files import digest_files, read_json
from gradiend.folders import require_replaceable
from gradiend.model_files import DEMO_MODELS, model_files
from gradiend.resolution import stage_settings
from gradiend.selection import has_converged, next_seeds, seed_values
from gradiend.settings import canonical
from gradiend.sharing import stage_digests, stages_of

KEEP_SEEDS = any(run.training_arguments.keep_seed_runs for run in RUNS.values())
CONTENT_DIGESTS = Path(".snakemake/gradiend-digests.json")

# A job runs the very code whose digest is in its params, with the python that runs Snakemake or, with --sdm conda,
# that of its environment.
# Threads that wait must not spin: jobs share the cores, and spinning costs several times the time.
ENVIRONMENT = {"PYTHONPATH": shlex.quote(str(PROJECT)) + "${{PYTHONPATH:+:$PYTHONPATH}}", "OMP_WAIT_POLICY": "passive"}
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    ENVIRONMENT["PATH"] = shlex.quote(str(Path(sys.executable).parent)) + ":$PATH"
shell.prefix("".join(f"export {name}={value}; " for name, value in ENVIRONMENT.items()))


def demo_examples(run):
    """The demo's examples; with its causal model those whose person stands before the slot, with a head behind it."""
    if headed(run):
        return f"{DEMO}/examples-later.csv"
    return f"{DEMO}/examples{DEMO_MODELS.get(RUNS[run].model.name, '')}.csv"


def demo_objective(wildcards):
    return "clm" if wildcards.kind == "-causal" else "mlm"


@cache
def resolved(run):
    """A run's config with the demo's names replaced by the files that its rules make."""
    config = RUNS[run]
    data, model = config.data, config.model
    data = replace(data, source=demo_examples(run)) if data.source == "demo" else data
    data = replace(data, neutral=f"{DEMO}/neutral.csv") if data.neutral == "demo" else data
    model = replace(model, name=f"{DEMO}/model{DEMO_MODELS[model.name]}") if model.name in DEMO_MODELS else model
    return replace(config, data=data, model=model)


@cache
def external_data(run):
    """Data files that no rule makes."""
    data = RUNS[run].data
    return [*data_files(data.source, "data.source"), *data_files(data.neutral, "data.neutral")]


@cache
def external_model(run):
    """Files of a base model folder that no rule makes."""
    return model_files(RUNS[run].model.name, RUNS[run].model.revision)


# While the workflow is read: an error in an input function goes unseen where the output exists already.
for run_id in RUNS:
    user_error(external_data, run_id, origin=f"{ORIGIN}: ")
    user_error(external_model, run_id, origin=f"{ORIGIN}: ")
    for own in (RUN_MODEL, f"{ROOT}/seeds/best"):
        user_error(require_replaceable, Path(own.format(run=run_id)), origin=f"{ORIGIN}: ")
    for own in Path(RUN_SEEDS.format(run=run_id)).glob("seed_*/model"):
        user_error(require_replaceable, own, origin=f"{ORIGIN}: ")


def base_of(run):
    """The base model of a run, as far as it decides which runs can be compared."""
    model = resolved(run).model
    return model.name, model.revision


def comparable(run):
    """The runs on the base model of one."""
    return [other for other in RUNS if base_of(other) == base_of(run)]


def gradiends(stage, run):
    """The runs that a stage about several is about, and what made their GRADIENDs."""
    runs = comparable(run) if stage == "cross_encode" else RUNS if stage == "compare_runs" else []
    return {other: DIGESTS[other]["post_prune"] for other in runs}


@cache
def settings_of(stage, run):
    digests = {
        "data_digest": digest_files(external_data(run), CONTENT_DIGESTS) if stage == "prepare_data" else "",
        "model_digest": digest_files(external_model(run), CONTENT_DIGESTS),
    }
    config = RUNS[run] if stage == "report" else resolved(run)  # the report shows what the user may write
    return canonical(stage_settings(stage, config, runs=gradiends(stage, run), **digests))


def cached(run):
    return RUNS[run].training_arguments.use_cached_gradients


def headed(run):
    return RUNS[run].training_arguments.prediction_objective == "clm_mlm_head"


def control_seeds(run):
    """The seeds that are trained on batches drawn regardless of class, too."""
    return seed_values(RUNS[run].training_arguments.seed, RUNS[run].control.seeds or 0)


def seeds_of(stage, run):
    """All seeds that a stage of seeds may have."""
    arguments = RUNS[run].training_arguments
    return control_seeds(run) if stage == "train_control" else seed_values(arguments.seed, arguments.max_seeds)


def searches(run):
    return RUNS[run].training_arguments.learning_rate == "tune"


def pruned(run):
    return RUNS[run].training_arguments.pre_prune_config is not None


DIGESTS = {
    run: stage_digests({stage: settings_of(stage, run) for stage in stages_of(config)}) for run, config in RUNS.items()
}
SHARING = {digest: run for run in reversed(DIGESTS) for digest in DIGESTS[run].values()}


def settings(stage):
    """The one canonical JSON of a stage's settings; a function of `wildcards` only, or Snakemake forgets it."""

    def params(wildcards):
        return settings_of(stage, run_of(wildcards))

    return params


def data_of(wildcards):
    """External files are compared by content: their digest is in the settings, their time stamps do not count."""
    data = RUNS[run_of(wildcards)].data
    made = [demo_examples(run_of(wildcards))] * (data.source == "demo") + [f"{DEMO}/neutral.csv"] * (
        data.neutral == "demo"
    )
    return [ancient(str(file)) for file in external_data(run_of(wildcards))] + made


def base_model_of(wildcards):
    kind = DEMO_MODELS.get(RUNS[run_of(wildcards)].model.name)
    if kind is not None:
        return [*expand(f"{DEMO}/model{kind}/{{name}}", name=MODEL_FILES), f"{DEMO}/accuracy{kind}.json"]
    return [ancient(str(file)) for file in external_model(run_of(wildcards))]


def rows(split):
    """The stored rows of a split, or nothing where rows are computed as they are needed."""

    def files(wildcards):
        return made(f"{GRADIENTS}/{split}/rows.parquet")(wildcards) if cached(run_of(wildcards)) else []

    return files


def stored(*splits):
    """All files of the stores; and what live rows are computed from, where nothing is stored."""

    def files(wildcards):
        if cached(run_of(wildcards)):
            shards = range(shards_of_run(run_of(wildcards)))
            names = [f"{split}/shard-{shard}.safetensors" for split in splits for shard in shards]
            return made(f"{GRADIENTS}/{name}" for name in names)(wildcards)
        return base_model_of(wildcards)

    return files


def mlm_head(name):
    """A file of the head that gradients come through, or nothing where they come through the model's own."""

    def file(wildcards):
        return made(f"{MLM_HEAD}/{name}")(wildcards) if headed(run_of(wildcards)) else []

    return file


def live_mlm_head(wildcards):
    """The head, where rows are computed as they are needed."""
    return [] if cached(run_of(wildcards)) else mlm_head("head.safetensors")(wildcards)


def tuned(name):
    """A file of the search for a learning rate, or nothing where the run gives one."""

    def files(wildcards):
        return made(f"{TUNING}/{name}")(wildcards) if searches(run_of(wildcards)) else []

    return files


def controls(wildcards):
    """The scores of the controls, where a run wants any."""
    run = run_of(wildcards)
    return [at(f"{CONTROL}/seed_{{seed}}.json", run, seed=seed) for seed in control_seeds(run)]


def importance_of(wildcards):
    return made(f"{IMPORTANCE}/importance.safetensors")(wildcards) if pruned(run_of(wildcards)) else []


def whole_model_of(wildcards):
    return [] if importance_of(wildcards) else base_model_of(wildcards)


def eval_batch_size(wildcards):
    """A resource and not a parameter: no number depends on it, so it must make nothing stale."""
    return RUNS[run_of(wildcards)].training_arguments.eval_batch_size


def device(part):
    """Likewise: where something is computed, as the user says or "auto"."""

    def of_run(wildcards):
        run = RUNS[run_of(wildcards)]
        arguments = run.training_arguments
        if part == "base_model" and run.model.device_map:
            return f"{SPREAD}{run.model.device_map}"
        return getattr(arguments, f"device_{part}") or arguments.device or "auto"

    return of_run


def walk_seeds(wildcards):
    """(seeds certainly needed, open checkpoint or None); a stale or running evaluation is open."""
    run = run_of(wildcards)
    arguments = RUNS[run].training_arguments
    seeds = seed_values(arguments.seed, arguments.max_seeds)
    stage = {"digest": DIGESTS[run]["evaluate_encoder"]} if MANY else {}
    converged = {}
    while wave := next_seeds(converged, seeds, arguments.min_convergent_seeds):
        for seed in wave:
            try:
                evaluation = checkpoints.evaluate_encoder.get(**stage, seed=seed).output[0]
            except IncompleteCheckpointException as open_checkpoint:
                return [*converged, *wave[wave.index(seed) :]], open_checkpoint
            with evaluation.open():  # from a storage it has to be fetched first
                score = read_json(Path(evaluation))
            converged[seed] = has_converged(score, arguments.convergent_metric, arguments.convergent_score_threshold)
    return [*converged], None


def per_seed(*patterns):
    """A file of every seed that is certainly needed; a wave at once, hence in parallel."""

    def files(wildcards):
        run, seeds = run_of(wildcards), walk_seeds(wildcards)[0]
        return [at(pattern, run, seed=seed) for pattern in patterns for seed in seeds]

    return files


def open_evaluation(wildcards):
    """Raise only if the evaluation's file exists: then Snakemake resolves the next wave while it plans.

    Without the file the job must carry no checkpoint target, or Snakemake checks no rerun trigger for it. It is
    planned anew anyway, for it depends on the evaluations.
    """
    _, open_checkpoint = walk_seeds(wildcards)
    if open_checkpoint is not None and Path(open_checkpoint.targetfile).exists():
        raise open_checkpoint
    return []
