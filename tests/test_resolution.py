"""Which setting makes which stage stale: the whole table, for stored and for live rows."""

from dataclasses import replace
from typing import Any

import pytest
from config_files import COMPLETE, changed, config

from gradiend.config import parse_config
from gradiend.errors import GradiendError
from gradiend.experiment import DEFAULT_LEARNING_RATES, ExperimentConfig
from gradiend.resolution import NO_INFLUENCE, stage_settings
from gradiend.settings import STAGES, canonical
from gradiend.validation import settings_below

NONE: set[str] = set()
DATA = {"prepare_data"}
BASE = {
    "train_mlm_head",
    "cache_importance",
    "cache_gradients",
    "train_control",
    "evaluate_decoder",
    "rewrite_model",
    "cross_encode",
}  # they load the base model
ENCODER = {"evaluate_encoder", "evaluate_test"}
ROWS = {"train", *ENCODER, "evaluate_decoder"}  # they read rows, or compute them where none are stored
TRAIN = {"train", "tune_learning_rate", "train_control"}  # a search for a learning rate trains, and a control, too
CLASSES = {*DATA, "cache_importance", *ROWS, *TRAIN, "cross_encode", "report"}
SHARED_ENTRIES = {"compare_runs", "measure_stability"}
CAPS = {"encoder_eval_max_size", "encoder_eval_balance"}

# setting: (another valid value, the stages that it makes stale)
TABLE: dict[str, tuple[Any, set[str]]] = {
    "experiment_dir": ("elsewhere", NONE),
    "shards": (4, NONE),
    "decoder.shards": (4, NONE),
    "target_classes": (["male", "female"], CLASSES),
    "model.name": ("gpt2", BASE),
    "model.revision": ("v1", BASE),
    "model.trust_remote_code": (True, BASE),
    "model.device_map": ("auto", NONE),
    "data.source": ("other.csv", DATA),
    "data.neutral": ("neutral.csv", DATA),
    "data.columns.masked": ("m", DATA),
    "data.columns.split": ("s", DATA),
    "data.columns.label": ("l", DATA),
    "data.columns.label_class": ("c", DATA),
    "data.columns.alternative": ("a", DATA),
    "data.columns.alternative_class": ("b", DATA),
    "data.columns.text": ("t", DATA),
    "data.mask_placeholder": ("[X]", DATA | BASE),
    "data.split_by": ("target", DATA),
    "data.too_long": ("cut", BASE),
    "decoder.learning_rates": ([1, 2], {"evaluate_decoder"}),
    "decoder.lms_ratio": (0.9, {"evaluate_decoder"}),
    "decoder.directions": (["weaken"], {"evaluate_decoder"}),
    "decoder.feature_factors": ({"male": 2}, {"evaluate_decoder"}),
    "comparison.topk": (7, SHARED_ENTRIES),
    "control.seeds": (2, {"report"}),
    "tuning.factors": ([1, 2], {"tune_learning_rate"}),
    "tuning.max_seeds": (1, {"tune_learning_rate"}),
}
ARGUMENTS: dict[str, tuple[Any, set[str]]] = {
    "experiment_dir": ("results", NONE),
    "output_dir": ("m", NONE),
    "use_cache": (True, NONE),
    "add_identity_for_other_classes": (True, DATA),
    "source": ("diff", ROWS | TRAIN),
    "target": ("factual", {*TRAIN, "evaluate_decoder"}),
    "train_batch_size": (8, DATA),
    "train_max_size": (100, DATA),
    "learning_rate": (1e-4, {"train", "train_control"}),
    "num_train_epochs": (5, TRAIN),
    "max_steps": (7, TRAIN),
    "weight_decay": (0, TRAIN),
    "adam_epsilon": (1e-6, TRAIN),
    "optim": ("adam", TRAIN),
    "eval_strategy": ("no", TRAIN),
    "eval_steps": (10, TRAIN),
    "do_eval": (False, TRAIN),
    "encoder_eval_train_max_size": (10, TRAIN),
    "encoder_eval_max_size": (10, {"cache_gradients", *TRAIN, *ENCODER, "cross_encode"}),
    "encoder_eval_balance": (False, {*TRAIN, *ENCODER, "cross_encode"}),
    "seed_selection_eval_max_size": (10, {"evaluate_encoder"}),
    "decoder_eval_max_size_training_like": (10, {"evaluate_decoder"}),
    "decoder_eval_max_size_neutral": (10, {"evaluate_decoder"}),
    "eval_batch_size": (4, NONE),
    "save_strategy": ("steps", {"train"}),
    "save_steps": (10, {"train"}),
    "save_only_best": (False, {"train"}),
    "delete_models": (True, {"train"}),
    "max_seeds": (5, {"select_seed", "measure_stability", "tune_learning_rate"}),
    "min_convergent_seeds": (2, {"select_seed", "measure_stability"}),
    "convergent_metric": ("loss", {*TRAIN, "select_seed", "measure_stability"}),
    "convergent_score_threshold": (0.6, {"select_seed", "measure_stability", "tune_learning_rate"}),
    "seed": (1, {*DATA, "cache_importance", "cache_gradients", *ROWS, *TRAIN, "cross_encode"}),
    "seed_runs_dir": ("s", NONE),
    "keep_seed_runs": (True, NONE),
    "pre_prune_config.n_samples": (64, {"cache_importance"}),
    "pre_prune_config.topk": (0.2, {"pre_prune"}),
    "pre_prune_config.threshold": (0.2, {"pre_prune"}),
    "pre_prune_config.source": ("diff", {"cache_importance"}),
    "pre_prune_config.importance": ("mean", {"cache_importance"}),
    "post_prune_config.topk": (0.2, {"post_prune", "train_control"}),
    "post_prune_config.threshold": (0.2, {"post_prune", "train_control"}),
    "post_prune_config.part": ("encoder-weight", {"post_prune", "train_control"}),
    "trust_remote_code": (True, BASE),
    "params": (["a.*"], {"cache_importance"}),
    "normalize_gradiend": (False, TRAIN),
    "torch_dtype": ("bfloat16", BASE),
    "supervised_encoder": (True, TRAIN),
    "supervised_decoder": (True, {*TRAIN, *ENCODER}),
    "use_cached_gradients": (False, {*ROWS, "train_control"}),
    "class_merge_map": ({"female": ["f"], "male": ["m"]}, DATA),
    "class_merge_transition_groups": ([["f", "m"]], DATA),
    "latent_dim": (2, TRAIN),
    "activation_encoder": ("id", TRAIN),
    "activation_decoder": ("tanh", TRAIN),
    "bias_decoder": (False, TRAIN),
    "prediction_objective": ("mlm", DATA | BASE),
    "mlm_head.right_window": (5, BASE),
    "mlm_head.weight_decay": (0.1, BASE),
    "device": ("cpu", NONE),
    "device_encoder": ("cpu", NONE),
    "device_decoder": ("cpu", NONE),
    "device_base_model": ("cpu", NONE),
}
TABLE |= {f"training_arguments.{name}": row for name, row in ARGUMENTS.items()}
# what must be set before the other value is valid
BEFORE: dict[str, dict[str, Any]] = {
    "training_arguments.pre_prune_config.threshold": {"pre_prune_config": {"threshold": 0.1}},
    "training_arguments.post_prune_config.threshold": {"post_prune_config": {"threshold": 0.1}},
    "training_arguments.mlm_head.right_window": {"prediction_objective": "clm_mlm_head"},
    "training_arguments.mlm_head.weight_decay": {"prediction_objective": "clm_mlm_head"},
    "training_arguments.supervised_encoder": {"post_prune_config": None},
    "training_arguments.supervised_decoder": {"convergent_metric": "loss"},
}


def resolved(raw: dict[str, Any], **digests: str) -> dict[str, str]:
    """The canonical settings of every stage that the config has."""
    return {stage: canonical(own) for stage, own in _settings_of(parse_config(raw, "config.yaml"), **digests).items()}


def _settings_of(read: ExperimentConfig, **digests: str) -> dict[str, Any]:
    pruned = read.training_arguments.pre_prune_config is not None
    stages = [stage for stage in STAGES if pruned or stage != "cache_importance"]
    settings = {stage: stage_settings(stage, read, **digests) for stage in stages}
    # all else that is in it makes an earlier stage stale
    settings["report"] = replace(settings["report"], config={"control": settings["report"].config["control"]})
    return settings


def stale(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {stage for stage in before if before[stage] != after[stage]}


def given(**arguments: Any) -> dict[str, Any]:
    return changed(COMPLETE, {f"training_arguments.{name}": value for name, value in arguments.items()})


def all_settings() -> set[str]:
    """The paths of all settings that are no mappings of settings themselves."""
    paths = {".".join(path) for path in settings_below(ExperimentConfig)}
    return {path for path in paths if not any(other.startswith(f"{path}.") for other in paths)}


def test_the_table_has_every_setting_and_those_without_influence_are_listed() -> None:
    assert set(TABLE) == all_settings()
    assert {setting for setting, (_, stages) in TABLE.items() if not stages} == NO_INFLUENCE


@pytest.mark.parametrize("setting", TABLE)
def test_a_setting_makes_stale_the_stages_that_read_it_and_no_others(setting: str) -> None:
    value, expected = TABLE[setting]
    before = given(**BEFORE.get(setting, {}))
    assert stale(resolved(before), resolved(changed(before, {setting: value}))) == expected


@pytest.mark.parametrize("setting", sorted(set(TABLE) - {"training_arguments.use_cached_gradients"}))
def test_without_stored_rows_those_who_read_rows_read_what_rows_are_made_of(setting: str) -> None:
    value, expected = TABLE[setting]
    name = setting.removeprefix("training_arguments.")
    before = given(**BEFORE.get(setting, {}), use_cached_gradients=False)
    computed = (ROWS - ({"evaluate_decoder"} if name in CAPS else NONE)) if "cache_gradients" in expected else NONE
    assert stale(resolved(before), resolved(changed(before, {setting: value}))) == expected | computed


def test_the_report_has_the_config_without_what_determines_no_result() -> None:
    read = parse_config(COMPLETE, "config.yaml")
    shown = stage_settings("report", read).config
    for setting in all_settings():
        owner: Any = shown
        for key in setting.split("."):
            owner = owner.get(key, NO_INFLUENCE) if isinstance(owner, dict) else owner
        assert (owner is NO_INFLUENCE) == (setting in NO_INFLUENCE), setting


def test_the_reports_config_makes_the_same_run_again() -> None:
    shown = stage_settings("report", parse_config(COMPLETE, "config.yaml")).config
    again = parse_config({**shown, "experiment_dir": "elsewhere"}, "config.yaml")
    assert resolved(COMPLETE) == {stage: canonical(own) for stage, own in _settings_of(again).items()}


def test_a_change_of_the_balance_remakes_capped_rows() -> None:
    before = given(encoder_eval_max_size=10)
    after = resolved(changed(before, {"training_arguments.encoder_eval_balance": False}))
    assert stale(resolved(before), after) == {"cache_gradients", *TRAIN, *ENCODER, "cross_encode"}


def test_a_cap_below_the_largest_remakes_no_rows() -> None:
    before = given(encoder_eval_max_size=100)
    smaller = resolved(changed(before, {"training_arguments.seed_selection_eval_max_size": 10}))
    larger = resolved(changed(before, {"training_arguments.seed_selection_eval_max_size": 200}))
    assert stale(resolved(before), smaller) == {"evaluate_encoder"}
    assert stale(resolved(before), larger) == {"evaluate_encoder", "cache_gradients", "train_control", "cross_encode"}


def test_a_data_digest_concerns_the_data_and_a_model_digest_whoever_loads_the_base_model() -> None:
    assert stale(resolved(COMPLETE), resolved(COMPLETE, data_digest="new")) == DATA
    assert stale(resolved(COMPLETE), resolved(COMPLETE, model_digest="new")) == BASE
    live = given(use_cached_gradients=False)
    assert stale(resolved(live), resolved(live, model_digest="new")) == BASE | ROWS


def test_without_pre_pruning_the_space_depends_on_model_and_params() -> None:
    before = given(pre_prune_config=None)
    for setting, value in (("model.name", "gpt2"), ("training_arguments.params", ["a"])):
        assert "pre_prune" in stale(resolved(before), resolved(changed(before, {setting: value})))
    with pytest.raises(GradiendError, match="pre_prune_config: is missing"):
        stage_settings("cache_importance", config())


def test_the_kept_space_of_all_parameters_does_not_depend_on_the_head() -> None:
    before = given(pre_prune_config=None, prediction_objective="clm_mlm_head")
    after = resolved(changed(before, {"training_arguments.mlm_head.right_window": 5}))
    assert stale(resolved(before), after) == BASE - {"cache_importance"}


def test_pruning_can_be_switched_off_for_itself() -> None:
    assert stale(resolved(COMPLETE), resolved(given(post_prune_config=None))) == {"post_prune", "train_control"}
    assert "train" not in stale(resolved(given(pre_prune_config=None)), resolved(COMPLETE))


@pytest.mark.parametrize(
    ("left_out", "written_out"),
    [
        ({}, {"seed": 0}),
        ({"encoder_eval_max_size": 9}, {"encoder_eval_max_size": 9, "encoder_eval_train_max_size": 9}),
        ({"encoder_eval_max_size": 9}, {"encoder_eval_max_size": 9, "seed_selection_eval_max_size": 9}),
        ({"post_prune_config": {}}, {"post_prune_config": {"topk": 0.01}}),
        ({"learning_rate": "1e-4"}, {"learning_rate": 1e-4}),
        ({"torch_dtype": "torch.float32"}, {}),
    ],
)
def test_a_default_written_out_makes_nothing_stale(left_out: dict[str, Any], written_out: dict[str, Any]) -> None:
    assert resolved(given(**left_out)) == resolved(given(**written_out))


def test_the_order_of_keys_and_the_form_of_the_model_make_nothing_stale() -> None:
    turned = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in COMPLETE.items()
    }
    assert resolved(dict(reversed(turned.items()))) == resolved(COMPLETE)
    assert resolved({**COMPLETE, "model": "bert"}) == resolved(COMPLETE)


def test_the_learning_rates_are_the_default_grid_or_the_given_ones_from_high_to_low() -> None:
    def rates(value: Any) -> list[float]:
        read = parse_config(changed(COMPLETE, {"decoder.learning_rates": value}), "config.yaml")
        found: list[float] = stage_settings("evaluate_decoder", read).learning_rates
        return found

    assert rates(None) == list(DEFAULT_LEARNING_RATES)
    assert rates([1, 100, 10, 1]) == [100, 10, 1]
