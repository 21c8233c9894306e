"""The argument guide: every argument, its default, and what contradicts what."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from config_files import config

from gradiend.arguments import MlmHeadConfig, PostPruneConfig, PrePruneConfig, TrainingArguments
from gradiend.errors import GradiendError
from gradiend.experiment import DecoderConfig

GUIDE: dict[str, Any] = {
    # Output and paths
    "experiment_dir": None,
    "output_dir": None,
    "use_cache": False,
    "add_identity_for_other_classes": False,
    # GRADIEND interpretation (source / target)
    "source": "alternative",
    "target": "diff",
    # Training loop (HF-style)
    "train_batch_size": 32,
    "train_max_size": None,
    "learning_rate": 1e-5,
    "num_train_epochs": 3,
    "max_steps": -1,
    "weight_decay": 1e-2,
    "adam_epsilon": 1e-8,
    "optim": "adamw",
    # Evaluation during training
    "eval_strategy": "steps",
    "eval_steps": 250,
    "do_eval": True,
    "encoder_eval_train_max_size": None,
    "encoder_eval_max_size": None,
    "encoder_eval_balance": True,
    "seed_selection_eval_max_size": None,
    "decoder_eval_max_size_training_like": None,
    "decoder_eval_max_size_neutral": None,
    "eval_batch_size": 32,
    # Checkpointing and saving
    "save_strategy": "best",
    "save_steps": 5000,
    "save_only_best": True,
    "delete_models": False,
    # Multi-seed training
    "max_seeds": 3,
    "min_convergent_seeds": 1,
    "convergent_metric": "correlation",
    "convergent_score_threshold": 0.5,
    "seed": None,
    "seed_runs_dir": None,
    "keep_seed_runs": False,
    # Pre- and post-pruning
    "pre_prune_config": None,
    "post_prune_config": None,
    # Advanced
    "trust_remote_code": False,
    "params": None,
    "normalize_gradiend": True,
    "torch_dtype": "float32",
    "supervised_encoder": False,
    "supervised_decoder": False,
    "use_cached_gradients": False,
    "class_merge_map": None,
    "class_merge_transition_groups": None,
    # Device placement
    "device": None,
    "device_encoder": None,
    "device_decoder": None,
    "device_base_model": None,
}
BEYOND_THE_GUIDE: dict[str, Any] = {
    "latent_dim": 1,
    "activation_encoder": "tanh",
    "activation_decoder": "id",
    "bias_decoder": True,
    "prediction_objective": "auto",
    "mlm_head": None,
}
WORDS = {
    "source": {"factual", "alternative", "diff"},
    "target": {"factual", "alternative", "diff"},
    "optim": {"adamw", "adam"},
    "eval_strategy": {"steps", "no"},
    "save_strategy": {"best", "steps", "no"},
}


def defaults(settings: Any) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


def test_every_argument_of_the_guide_exists_with_its_default_and_there_are_no_others() -> None:
    assert defaults(TrainingArguments()) == GUIDE | BEYOND_THE_GUIDE


def test_the_defaults_have_the_guides_types() -> None:
    given = defaults(TrainingArguments())
    assert {name: type(given[name]) for name in GUIDE} == {name: type(value) for name, value in GUIDE.items()}


def test_a_config_file_has_the_same_defaults() -> None:
    assert config().training_arguments == TrainingArguments()


def test_the_pruning_configs_have_the_designs_defaults() -> None:
    pre = {"n_samples": 8, "topk": 0.1, "threshold": None, "source": "alternative", "importance": "signed_mean"}
    assert defaults(PrePruneConfig()) == pre
    assert defaults(MlmHeadConfig()) == {"right_window": [4, 8, 16], "weight_decay": None}
    assert defaults(PostPruneConfig()) == {"topk": 0.01, "threshold": None, "part": "decoder-weight"}


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in WORDS.items() for word in sorted(words)])
def test_every_word_of_the_guide_is_accepted(name: str, word: str) -> None:
    assert getattr(config(**{name: word}).training_arguments, name) == word


@pytest.mark.parametrize("kind", [PrePruneConfig, PostPruneConfig])
def test_a_threshold_takes_the_place_of_the_default_topk(kind: type[PrePruneConfig | PostPruneConfig]) -> None:
    assert (kind(threshold=0.5).topk, kind(threshold=0.5).threshold) == (None, 0.5)
    assert (kind(topk=3).topk, kind(topk=3).threshold) == (3, None)


def test_arguments_are_made_in_python_as_in_the_guide() -> None:
    made = TrainingArguments(experiment_dir=Path("./out"), params=["bert.encoder.layer.0.*"])  # type: ignore[arg-type]
    assert (made.experiment_dir, made.params) == ("out", ["bert.encoder.layer.0.*"])
    nested = TrainingArguments(pre_prune_config=PrePruneConfig(topk=0.5))
    assert nested == TrainingArguments(pre_prune_config={"topk": 0.5})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_a_dtype_may_be_written_with_torch_before_it(name: str) -> None:
    assert config(torch_dtype=f"torch.{name}").training_arguments.torch_dtype == name


def test_arguments_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingArguments().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainingArguments(learning_rte=1), "unknown setting 'learning_rte' (did you mean 'learning_rate'?)"),
        (lambda: TrainingArguments(optim="adamww"), "'adamww' is wrong: should be 'adamw' or 'adam'"),
        (lambda: TrainingArguments(min_convergent_seeds=9), "min_convergent_seeds 9 is more than max_seeds 3"),
        (
            lambda: TrainingArguments(encoder_eval_max_size=3),
            "encoder_eval_max_size 3 is too few rows for a correlation",
        ),
        (lambda: TrainingArguments(encoder_eval_train_max_size=1), "encoder_eval_train_max_size 1 is too few rows"),
        (
            lambda: TrainingArguments(seed_selection_eval_max_size=2, encoder_eval_balance=False),
            "seed_selection_eval_max_size 2 is too few rows for a correlation: give at least 3",
        ),
        (lambda: PrePruneConfig(topk=3.5), "PrePruneConfig: topk: 3.5 is wrong: should be an integer count >= 1"),
        (lambda: TrainingArguments(pre_prune_config={"topk": 3.5}), "TrainingArguments: pre_prune_config.topk: 3.5"),
        (lambda: PostPruneConfig(topk=5, threshold=1), "PostPruneConfig: topk 5 and threshold 1.0: give exactly one"),
        (lambda: DecoderConfig(lms_rato=1), "unknown setting 'lms_rato' (did you mean 'lms_ratio'?)"),
    ],
)
def test_a_mistake_in_python_is_one_line_too(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(GradiendError) as caught:
        make()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_the_loss_needs_a_threshold_in_python_too() -> None:
    with pytest.raises(GradiendError, match="needs a convergent_score_threshold"):
        TrainingArguments(convergent_metric="loss")
    by_loss = TrainingArguments(convergent_metric="loss", convergent_score_threshold=1e-9)
    assert dataclasses.replace(by_loss, seed=1).convergent_score_threshold == 1e-9


@pytest.mark.parametrize(
    "arguments",
    [
        {"supervised_decoder": True, "convergent_metric": "loss", "convergent_score_threshold": 1e-9},
        {"supervised_encoder": True, "post_prune_config": {"part": "encoder-weight"}},
        {"min_convergent_seeds": None, "max_seeds": 1},
        {"min_convergent_seeds": 3, "max_seeds": 3},
        {"encoder_eval_max_size": 4},
        {"encoder_eval_max_size": 3, "encoder_eval_balance": False},
        {"max_steps": 10, "num_train_epochs": 1},
        {"learning_rate": "auto"},
        {"convergent_score_threshold": -0.5},
    ],
)
def test_what_does_not_contradict_itself_is_accepted(arguments: dict[str, Any]) -> None:
    assert config(**arguments)


def test_every_argument_is_described() -> None:
    described = [field.description for field in TrainingArguments.__pydantic_fields__.values()]
    assert all(described)
