"""A run's config -> the settings of each stage: which setting determines the result of which stage.

`NO_INFLUENCE` lists the settings that determine no result; every other one is in the settings of some stage.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter

from gradiend.arguments import MlmHeadConfig
from gradiend.errors import GradiendError
from gradiend.experiment import DEFAULT_LEARNING_RATES, ExperimentConfig
from gradiend.settings import STAGES, BaseModel, CacheGradients, Train

S = TypeVar("S")
Values = dict[str, Any]

NO_INFLUENCE = frozenset(
    {
        "experiment_dir",  # paths are inputs and outputs, not settings
        "training_arguments.experiment_dir",
        "training_arguments.output_dir",
        "training_arguments.seed_runs_dir",
        "training_arguments.use_cache",  # of the Python API
        "training_arguments.keep_seed_runs",  # decides what is deleted
        "training_arguments.eval_batch_size",  # numbers do not depend on it
        "training_arguments.device",
        "training_arguments.device_encoder",
        "training_arguments.device_decoder",
        "training_arguments.device_base_model",
        "model.device_map",
        "shards",  # decides which jobs there are
        "decoder.shards",
    }
)


def stage_settings(
    stage: str,
    config: ExperimentConfig,
    *,
    data_digest: str = "",
    model_digest: str = "",
    runs: Mapping[str, str] | None = None,
) -> Any:
    """The settings of one stage. The digests are of external data files and model folders, else empty.

    `runs` are those that a stage about several runs is about, with a digest of what made their GRADIENDs.
    """
    values = {
        **_shallow(config.decoder),
        **_shallow(config.training_arguments),
        "target_classes": config.target_classes,
        "seed": config.training_arguments.seed or 0,
        "base_model": _base_model(config, model_digest),
        "data_digest": data_digest,
        "runs": dict(runs or {}),
        "evaluation_max_size": _evaluation_max_size(config),
    }
    if stage == "pre_prune":  # the kept space does not depend on the head
        values["base_model"] = dataclasses.replace(values["base_model"], mlm_head=None)
    own = OWN[stage](config) if stage in OWN else {}
    live = _live(config, values, train_only=stage == "evaluate_decoder")
    rows = _filled(CacheGradients, {**values, **_cache_gradients(config)})
    return _filled(STAGES[stage], {**values, "live": live, "rows": rows, **own})


def _filled(kind: type[S], values: Values) -> S:
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})  # type: ignore[arg-type]


def _shallow(settings: Any) -> Values:
    return {field.name: settings.__dict__[field.name] for field in dataclasses.fields(settings)}


def _base_model(config: ExperimentConfig, digest: str) -> BaseModel:
    return BaseModel(
        name=config.model.name,
        revision=config.model.revision,
        trust_remote_code=config.training_arguments.trust_remote_code,
        torch_dtype=config.training_arguments.torch_dtype,
        prediction_objective=config.training_arguments.prediction_objective,
        mask_placeholder=config.data.mask_placeholder,
        too_long=config.data.too_long,
        model_digest=digest,
        mlm_head=_mlm_head(config),
    )


def _mlm_head(config: ExperimentConfig) -> MlmHeadConfig | None:
    """The head that gradients come through, if any."""
    arguments = config.training_arguments
    if arguments.prediction_objective != "clm_mlm_head":
        return None
    return arguments.mlm_head or MlmHeadConfig()


def _live(config: ExperimentConfig, values: Values, *, train_only: bool) -> CacheGradients | None:
    """What rows are computed from, in the stages that read rows, where none are stored. Training rows know no cap."""
    if config.training_arguments.use_cached_gradients:
        return None
    caps = {"evaluation_max_size": None, "encoder_eval_balance": False} if train_only else _cache_gradients(config)
    return _filled(CacheGradients, {**values, **caps})


def _prepare_data(config: ExperimentConfig) -> Values:
    whole = {"auto": None, "sequence_classification": True}.get(config.training_arguments.prediction_objective, False)
    return {**_shallow(config.data), "data_source": config.data.source, "whole_texts": whole}


def _cache_importance(config: ExperimentConfig) -> Values:
    prune = config.training_arguments.pre_prune_config
    if prune is None:
        raise GradiendError("training_arguments.pre_prune_config: is missing, so no importance is needed")
    return _shallow(prune)


def _pre_prune(config: ExperimentConfig) -> Values:
    prune = config.training_arguments.pre_prune_config
    if prune is None:
        return {"topk": None, "threshold": None}
    # everything about the base model has come into the importance
    return {"topk": prune.topk, "threshold": prune.threshold, "base_model": None, "params": None}


def _cache_gradients(config: ExperimentConfig) -> Values:
    capped = _evaluation_max_size(config) is not None
    return {"encoder_eval_balance": capped and config.training_arguments.encoder_eval_balance}


def _train(config: ExperimentConfig) -> Values:
    arguments = config.training_arguments
    return {"encoder_eval_train_max_size": arguments.encoder_eval_train_max_size or arguments.encoder_eval_max_size}


def _tune_learning_rate(config: ExperimentConfig) -> Values:
    """How a seed is trained, without what neither its rate nor its weights depend on; the rows are stored ones."""
    return {
        "train": dataclasses.replace(_train_alone(config), learning_rate="auto"),
        "factors": sorted(set(config.tuning.factors)),
        "max_seeds": config.tuning.max_seeds or config.training_arguments.max_seeds,
    }


def _train_alone(config: ExperimentConfig) -> Train:
    """How a seed is trained, without its checkpoints, and without what rows are computed from."""
    strategy = "no" if config.training_arguments.save_strategy == "no" else "best"
    train: Train = stage_settings("train", config)
    return dataclasses.replace(
        train, save_strategy=strategy, save_steps=1, save_only_best=True, delete_models=True, live=None
    )


def _evaluate_encoder(config: ExperimentConfig) -> Values:
    arguments = config.training_arguments
    return {"max_size": arguments.seed_selection_eval_max_size or arguments.encoder_eval_max_size}


def _evaluate_test(config: ExperimentConfig) -> Values:
    return {"max_size": config.training_arguments.encoder_eval_max_size}


def _train_control(config: ExperimentConfig) -> Values:
    """As the run itself is trained, pruned and evaluated; what rows are computed from stands in `rows` alone."""
    return {
        "train": _train_alone(config),
        "post_prune": stage_settings("post_prune", config),
        "evaluate_test": dataclasses.replace(stage_settings("evaluate_test", config), live=None),
    }


def _comparison(config: ExperimentConfig) -> Values:
    return {"topk": config.comparison.topk}


def _post_prune(config: ExperimentConfig) -> Values:
    prune = config.training_arguments.post_prune_config
    return _shallow(prune) if prune else {"topk": None, "threshold": None, "part": None}


def _evaluate_decoder(config: ExperimentConfig) -> Values:
    arguments = config.training_arguments
    return {
        "learning_rates": sorted(set(config.decoder.learning_rates or DEFAULT_LEARNING_RATES), reverse=True),
        "max_examples": arguments.decoder_eval_max_size_training_like,
        "max_neutral": arguments.decoder_eval_max_size_neutral,
    }


def _report(config: ExperimentConfig) -> Values:
    """Whatever changes here makes an earlier stage stale, and so the report anyway."""
    everything = TypeAdapter(ExperimentConfig).dump_python(config, mode="json")
    return {"config": _without(everything, NO_INFLUENCE)}


def _without(values: Values, paths: frozenset[str], above: str = "") -> Values:
    return {
        key: _without(value, paths, f"{above}{key}.") if isinstance(value, dict) else value
        for key, value in values.items()
        if above + key not in paths
    }


OWN: dict[str, Callable[[ExperimentConfig], Values]] = {
    "prepare_data": _prepare_data,
    "cache_importance": _cache_importance,
    "pre_prune": _pre_prune,
    "cache_gradients": _cache_gradients,
    "tune_learning_rate": _tune_learning_rate,
    "train": _train,
    "evaluate_encoder": _evaluate_encoder,
    "post_prune": _post_prune,
    "evaluate_test": _evaluate_test,
    "train_control": _train_control,
    "evaluate_decoder": _evaluate_decoder,
    "measure_stability": _comparison,
    "cross_encode": _evaluate_test,
    "compare_runs": _comparison,
    "report": _report,
}


def _evaluation_max_size(config: ExperimentConfig) -> int | None:
    """The largest cap of any encoder evaluation: caps take prefixes of one order, so it holds them all."""
    arguments = config.training_arguments
    default = arguments.encoder_eval_max_size
    if default is None:
        return None
    return max(default, arguments.encoder_eval_train_max_size or 0, arguments.seed_selection_eval_max_size or 0)
