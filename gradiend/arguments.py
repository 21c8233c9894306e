"""The argument guide's arguments, with its names, defaults and meanings.

`TrainingArguments` follows the Hugging Face Trainer's conventions where they apply. Every class refuses
unknown keys, wrong types and values out of range when it is made.
"""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from gradiend.contradictions import contradictions
from gradiend.validation import constructed
from gradiend.values import (
    Bool,
    Count,
    Expects,
    NonNegative,
    Number,
    OptionalCount,
    OptionalDevice,
    OptionalFolder,
    OptionalInt,
    OptionalNonNegative,
    Positive,
    Steps,
    Text,
    TopK,
    read_null,
)

Source = Literal["factual", "alternative", "diff"]
Activation = Literal["tanh", "smht", "id", "relu", "leakyrelu", "elu", "gelu", "silu", "sigmoid"]
Objective = Literal["auto", "mlm", "clm", "clm_mlm_head", "seq2seq", "sequence_classification"]
Importance = Literal["mean", "mean_abs", "signed_mean"]
Part = Literal["encoder-weight", "decoder-weight", "decoder-bias", "decoder-sum"]

CONFIG = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def _dtype_name(value: Any) -> Any:
    """`torch.float32` and "torch.float32" are the same as "float32"."""
    return str(value).removeprefix("torch.")


Names = Annotated[list[Text], Field(min_length=1), Expects("a list of names, not empty")]
OptionalNames = Annotated[Names | None, BeforeValidator(read_null), Expects("a list of names, not empty, or null")]
MergeMap = Annotated[
    Annotated[dict[Text, Names], Field(min_length=1)] | None,
    BeforeValidator(read_null),
    Expects("{merged class: [classes of the data]} or null"),
]
Groups = Annotated[
    Annotated[list[Names], Field(min_length=1)] | None,
    BeforeValidator(read_null),
    Expects("a list of lists of classes or null"),
]
RightWindow = Annotated[
    Count | Annotated[list[Count], Field(min_length=1)], Expects("an integer >= 1, or a list of them, not empty")
]
DType = Annotated[Literal["float32", "float16", "bfloat16"], BeforeValidator(_dtype_name)]


@dataclass(frozen=True, config=CONFIG)
class PrePruneConfig:
    """Pruning before training: the importance of every entry from gradients, then the entries to keep."""

    n_samples: Count = 8
    """Training examples whose gradients make the importance, drawn evenly from the target transitions."""
    topk: TopK = None
    """Entries to keep: an int is a count, a float in (0, 1] a fraction. Default 0.1 unless threshold is set."""
    threshold: OptionalNonNegative = None
    """Keep the entries with at least this importance; instead of topk."""
    source: Source = "alternative"
    """The gradient whose importance is measured."""
    importance: Importance = "signed_mean"
    """mean = |mean gradient|, mean_abs = mean |gradient|, signed_mean = |mean of label x gradient|."""

    def __post_init__(self) -> None:
        _one_of_topk_and_threshold(self, default=0.1)

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: Any) -> Any:
        return constructed(cls, values, handler)


@dataclass(frozen=True, config=CONFIG)
class PostPruneConfig:
    """Pruning after training: the importance of every entry from the trained weights."""

    topk: TopK = None
    """Entries to keep: an int is a count, a float in (0, 1] a fraction. Default 0.01 unless threshold is set."""
    threshold: OptionalNonNegative = None
    """Keep the entries with at least this importance; instead of topk."""
    part: Part = "decoder-weight"
    """The trained weights that make the importance."""

    def __post_init__(self) -> None:
        _one_of_topk_and_threshold(self, default=0.01)

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: Any) -> Any:
        return constructed(cls, values, handler)


@dataclass(frozen=True, config=CONFIG)
class MlmHeadConfig:
    """The head of prediction_objective clm_mlm_head: it predicts the slot from the text right of it, too."""

    right_window: RightWindow = field(default_factory=lambda: [4, 8, 16])
    """Tokens behind the slot that the head sees; of a list, the best on validation."""
    weight_decay: OptionalNonNegative = None
    """L2 penalty on the head's weights (of standardised features). None: the best of 1, 0.1, ... on validation."""


def not_both(topk: int | float | None, threshold: float | None) -> None:
    """Raises `ValueError` where topk and threshold are both given."""
    if topk is not None and threshold is not None:
        raise ValueError(f"topk {topk} and threshold {threshold}: give exactly one of the two")


def _one_of_topk_and_threshold(config: PrePruneConfig | PostPruneConfig, default: float) -> None:
    not_both(config.topk, config.threshold)
    if config.topk is None and config.threshold is None:
        object.__setattr__(config, "topk", default)


@dataclass(frozen=True, config=CONFIG)
class TrainingArguments:
    """The argument guide, one field a row. Where the guide says None, the fallback is in the field's text."""

    # Output and paths
    experiment_dir: OptionalFolder = None
    """Root directory of the experiment; with a run_id everything goes under experiment_dir/run_id."""
    output_dir: OptionalFolder = None
    """Directory of the trained model, a folder of its own. Default: experiment_dir/model."""
    use_cache: Bool = False
    """Skip what exists (Python API). The pipeline always reruns exactly what is stale."""
    add_identity_for_other_classes: Bool = False
    """Keep examples of other classes as identity examples (factual == alternative) with label 0."""

    # GRADIEND interpretation
    source: Source = "alternative"
    """The gradient that feeds the encoder."""
    target: Source = "diff"
    """The gradient that the decoder predicts."""

    # Training loop
    train_batch_size: Count = 32
    """Examples per training batch; a batch is one row, the mean gradient of its examples."""
    train_max_size: OptionalCount = None
    """Training examples per class at the most. None: all."""
    learning_rate: Annotated[Literal["auto", "tune"] | Positive, Expects("a number > 0, 'auto' or 'tune'")] = 1e-5
    """Constant learning rate; "auto" is 0.1 / (mean L1 norm of the source rows), "tune" searches around it."""
    num_train_epochs: Count = 3
    """Training epochs; ignored when max_steps > 0."""
    max_steps: Steps = -1
    """If > 0: the number of training steps, however many epochs that takes."""
    weight_decay: NonNegative = 1e-2
    """Weight decay; "adam" adds it to the gradients (torch's L2 term), where it can outweigh the tiny ones here."""
    adam_epsilon: Positive = 1e-8
    """Epsilon of Adam and AdamW."""
    optim: Literal["adamw", "adam"] = "adamw"
    """Optimiser; with "adam", consider weight_decay 0 (see there)."""

    # Evaluation during training
    eval_strategy: Literal["steps", "no"] = "steps"
    """Evaluate every eval_steps ("steps") or never ("no")."""
    eval_steps: Count = 250
    """Steps between two evaluations."""
    do_eval: Bool = True
    """Whether to evaluate during training at all."""
    encoder_eval_train_max_size: OptionalCount = None
    """Rows of an in-training evaluation at the most. None: encoder_eval_max_size."""
    encoder_eval_max_size: OptionalCount = None
    """Rows of an encoder evaluation at the most. None: all."""
    encoder_eval_balance: Bool = True
    """Use equally many rows of every class in encoder evaluations."""
    seed_selection_eval_max_size: OptionalCount = None
    """Rows of the evaluation that selects the seed at the most. None: encoder_eval_max_size."""
    decoder_eval_max_size_training_like: OptionalCount = None
    """Examples of a decoder evaluation at the most. None: all."""
    decoder_eval_max_size_neutral: OptionalCount = None
    """Neutral texts of a decoder evaluation (LMS) at the most. None: all."""
    eval_batch_size: Count = 32
    """Batch size wherever the base model only evaluates; no result depends on it."""

    # Checkpointing and saving
    save_strategy: Literal["best", "steps", "no"] = "best"
    """best: keep the best checkpoint; steps: also save every save_steps; no: keep the last step."""
    save_steps: Count = 5000
    """Steps between two saved checkpoints, for save_strategy "steps"."""
    save_only_best: Bool = True
    """Of the checkpoints saved by "steps", keep only the best; False keeps all."""
    delete_models: Bool = False
    """Delete the intermediate checkpoints at the end."""

    # Multi-seed training
    max_seeds: Count = 3
    """Seeds to try at the most."""
    min_convergent_seeds: OptionalCount = 1
    """Stop once this many seeds have converged. None: try max_seeds."""
    convergent_metric: Literal["correlation", "loss"] = "correlation"
    """The metric that decides whether a seed has converged."""
    convergent_score_threshold: Number = 0.5
    """A seed has converged if its metric passes this; must be given for the metric "loss"."""
    seed: OptionalInt = None
    """Base seed: seeds are seed, seed + 1, ... None: 0, 1, ..."""
    seed_runs_dir: OptionalFolder = None
    """Directory of the seeds, a folder of its own. Default: experiment_dir/seeds."""
    keep_seed_runs: Bool = False
    """Keep the models of all seeds; otherwise only the metrics of those not selected."""

    # Pruning
    pre_prune_config: Annotated[PrePruneConfig | None, BeforeValidator(read_null)] = None
    """Pruning before training. None: none."""
    post_prune_config: Annotated[PostPruneConfig | None, BeforeValidator(read_null)] = None
    """Pruning after training. None: none."""

    # Model and data
    trust_remote_code: Bool = False
    """Passed to Hugging Face when loading models."""
    params: OptionalNames = None
    """Backbone parameters to use: names or patterns (`*` is any substring, `.` a dot). None: all."""
    normalize_gradiend: Bool = True
    """Orient the GRADIEND so that the first target class encodes to +1, the second to -1."""
    torch_dtype: DType = "float32"
    """Type of the base model's weights; the GRADIEND is always float32."""
    supervised_encoder: Bool = False
    """Train only the encoder, on the labels (baseline)."""
    supervised_decoder: Bool = False
    """Train only the decoder, from the labels (baseline)."""
    use_cached_gradients: Bool = False
    """Store the gradient rows once for all seeds and epochs; otherwise compute them as they are needed."""
    class_merge_map: MergeMap = None
    """Merged class -> classes of the data; with two keys, target_classes may be left out."""
    class_merge_transition_groups: Groups = None
    """Clusters of classes of the data: only transitions inside a cluster are made."""

    # The GRADIEND itself
    latent_dim: Count = 1
    """Latent dimensions."""
    activation_encoder: Activation = "tanh"
    """Activation after the encoder."""
    activation_decoder: Activation = "id"
    """Activation after the decoder."""
    bias_decoder: Bool = True
    """Whether the decoder has a bias."""
    prediction_objective: Objective = "auto"
    """How the base model predicts the slot, or the label of a text; auto: by its architecture."""
    mlm_head: Annotated[MlmHeadConfig | None, BeforeValidator(read_null)] = None
    """The head of prediction_objective clm_mlm_head. None: its defaults."""

    # Devices
    device: OptionalDevice = None
    """Device of everything: cpu, cuda, cuda:N, mps or auto. None and auto: by the number of GPUs."""
    device_encoder: OptionalDevice = None
    """Device of the encoder. None: device."""
    device_decoder: OptionalDevice = None
    """Device of the decoder. None: device."""
    device_base_model: OptionalDevice = None
    """Device of the base model. None: device."""

    @model_validator(mode="before")
    @classmethod
    def _loss_needs_a_threshold(cls, values: Any) -> Any:
        given = (values.kwargs or {}) if isinstance(values, ArgsKwargs) else values
        if not isinstance(given, dict) or given.get("convergent_metric") != "loss":
            return values
        if read_null(given.get("convergent_score_threshold")) is None:
            raise ValueError("convergent_metric 'loss' needs a convergent_score_threshold (a loss, such as 1e-9)")
        return values

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: Any) -> Any:
        return constructed(cls, values, handler)

    def __post_init__(self) -> None:
        if mistakes := list(contradictions(self)):
            raise ValueError("; ".join(mistakes))
