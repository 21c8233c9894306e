"""Which stages several runs share: those whose settings, and whose settings of all stages before, are equal."""

from collections.abc import Mapping

from gradiend.experiment import ExperimentConfig
from gradiend.files import digest_bytes

# The stages whose results a stage reads, directly; `report` is of one run and never shared.
BEFORE: dict[str, tuple[str, ...]] = {
    "prepare_data": (),
    "train_mlm_head": ("prepare_data",),
    "cache_importance": ("prepare_data", "train_mlm_head"),
    "pre_prune": ("cache_importance",),
    "cache_gradients": ("prepare_data", "train_mlm_head", "pre_prune"),
    "tune_learning_rate": ("prepare_data", "pre_prune", "cache_gradients"),
    "train": ("prepare_data", "train_mlm_head", "pre_prune", "cache_gradients", "tune_learning_rate"),
    "evaluate_encoder": ("train",),
    "select_seed": ("evaluate_encoder",),
    "post_prune": ("select_seed",),
    "evaluate_test": ("post_prune",),
    "train_control": ("prepare_data", "train_mlm_head", "pre_prune", "cache_gradients", "tune_learning_rate"),
    "evaluate_decoder": ("post_prune",),
    "rewrite_model": ("prepare_data", "evaluate_decoder"),
}


def stages_of(config: ExperimentConfig) -> list[str]:
    """The stages that a run has and may share, in order."""
    arguments = config.training_arguments
    has = {
        "train_mlm_head": arguments.prediction_objective == "clm_mlm_head",
        "cache_importance": arguments.pre_prune_config is not None,
        "cache_gradients": arguments.use_cached_gradients,
        "tune_learning_rate": arguments.learning_rate == "tune",
        "train_control": bool(config.control.seeds),
    }
    return [stage for stage in BEFORE if has.get(stage, True)]


def stage_digests(settings: Mapping[str, str]) -> dict[str, str]:
    """Stage -> 12 hex digits: of its settings (canonical JSON) and the digests of the stages before it.

    A stage that a run does not have, such as `cache_importance` where nothing is pruned, is not in `settings`.
    """
    digests: dict[str, str] = {}
    for stage, before in BEFORE.items():
        if stage in settings:
            read = [digests[name].encode() for name in before if name in digests]
            digests[stage] = digest_bytes(stage.encode(), settings[stage].encode(), *read)[:12]
    return digests
