"""What each stage reads: exactly the settings that determine its result, and nothing else.

A stage gets its settings as one canonical JSON string. The workflow compares that string, so a changed setting makes
stale the stages that read it; `gradiend.resolution` says which settings of a config these are.
"""

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from gradiend.arguments import CONFIG, Activation, Importance, MlmHeadConfig, Part, Source, not_both
from gradiend.errors import GradiendError
from gradiend.experiment import Columns
from gradiend.validation import parse
from gradiend.values import OptionalNonNegative, TopK

S = TypeVar("S")


@dataclass(frozen=True, config=CONFIG)
class PrepareData:
    """Data files -> examples, transitions, splits, caps, batches, neutral texts.

    `whole_texts`: whether examples are texts without a slot; null: where the table has texts and no masked ones.
    """

    data_source: str | dict[str, str]
    neutral: str | None
    columns: Columns
    mask_placeholder: str
    split_by: str
    target_classes: list[str]
    class_merge_map: dict[str, list[str]] | None
    class_merge_transition_groups: list[list[str]] | None
    add_identity_for_other_classes: bool
    train_max_size: int | None
    train_batch_size: int
    seed: int
    data_digest: str
    whole_texts: bool | None


@dataclass(frozen=True, config=CONFIG)
class BaseModel:
    """The base model and how texts enter it; part of every stage that loads it.

    `mlm_head` is that of the prediction objective clm_mlm_head, else null.
    """

    name: str
    revision: str | None
    trust_remote_code: bool
    torch_dtype: str
    prediction_objective: str
    mask_placeholder: str
    too_long: str
    model_digest: str
    mlm_head: MlmHeadConfig | None


@dataclass(frozen=True, config=CONFIG)
class TrainMlmHead:
    """Causal base model and examples -> the head that gradients come through."""

    base_model: BaseModel


@dataclass(frozen=True, config=CONFIG)
class CacheImportance:
    """Gradients of a few training examples -> the importance of every entry."""

    base_model: BaseModel
    params: list[str] | None
    target_classes: list[str]
    n_samples: int
    source: Source
    importance: Importance
    seed: int


@dataclass(frozen=True, config=CONFIG)
class PrePrune:
    """Importance -> the kept space; without pre-pruning, the space of all selected parameters."""

    topk: TopK
    threshold: OptionalNonNegative
    base_model: BaseModel | None
    params: list[str] | None

    def __post_init__(self) -> None:
        not_both(self.topk, self.threshold)


@dataclass(frozen=True, config=CONFIG)
class CacheGradients:
    """Base model, examples and kept space -> stored rows of all splits."""

    base_model: BaseModel
    evaluation_max_size: int | None
    encoder_eval_balance: bool
    seed: int


@dataclass(frozen=True, config=CONFIG)
class Train:
    """Rows -> one trained GRADIEND."""

    target_classes: list[str]
    source: Source
    target: Source
    learning_rate: str | float
    num_train_epochs: int
    max_steps: int
    weight_decay: float
    adam_epsilon: float
    optim: str
    eval_strategy: str
    eval_steps: int
    do_eval: bool
    encoder_eval_train_max_size: int | None
    encoder_eval_balance: bool
    save_strategy: str
    save_steps: int
    save_only_best: bool
    delete_models: bool
    convergent_metric: str
    normalize_gradiend: bool
    supervised_encoder: bool
    supervised_decoder: bool
    latent_dim: int
    activation_encoder: Activation
    activation_decoder: Activation
    bias_decoder: bool
    seed: int
    live: CacheGradients | None


@dataclass(frozen=True, config=CONFIG)
class TuneLearningRate:
    """Stored rows -> the learning rate, where it is searched for.

    `train` is how a seed is trained with the learning rate "auto", `factors` are the multiples of it to try.
    """

    train: Train
    factors: list[float]
    max_seeds: int
    convergent_score_threshold: float


@dataclass(frozen=True, config=CONFIG)
class EvaluateEncoder:
    """One GRADIEND and rows -> the encoder's score; `max_size` caps the rows of a split."""

    target_classes: list[str]
    source: Source
    supervised_decoder: bool
    max_size: int | None
    encoder_eval_balance: bool
    seed: int
    live: CacheGradients | None


@dataclass(frozen=True, config=CONFIG)
class SelectSeed:
    """The seeds' metrics -> verdicts, the best seed and the seed report."""

    convergent_metric: str
    convergent_score_threshold: float
    min_convergent_seeds: int | None
    max_seeds: int


@dataclass(frozen=True, config=CONFIG)
class PostPrune:
    """The selected GRADIEND -> the one with fewer entries."""

    topk: TopK
    threshold: OptionalNonNegative
    part: Part | None

    def __post_init__(self) -> None:
        not_both(self.topk, self.threshold)


@dataclass(frozen=True, config=CONFIG)
class TrainControl:
    """Examples in batches drawn regardless of class -> one GRADIEND, and its score on test.

    `rows` says what the gradients are computed from; the others are how the run itself goes, where rows are stored.
    """

    rows: CacheGradients
    use_cached_gradients: bool
    train: Train
    post_prune: PostPrune
    evaluate_test: EvaluateEncoder


@dataclass(frozen=True, config=CONFIG)
class EvaluateDecoder:
    """Base model and GRADIEND -> the grid of rewritten models and the choice among them."""

    base_model: BaseModel
    target_classes: list[str]
    source: Source
    target: Source
    learning_rates: list[float]
    lms_ratio: float
    directions: list[str]
    feature_factors: dict[str, float] | None
    max_examples: int | None
    max_neutral: int | None
    seed: int
    live: CacheGradients | None


@dataclass(frozen=True, config=CONFIG)
class RewriteModel:
    """Base model, GRADIEND and the choice -> rewritten model folders."""

    base_model: BaseModel


@dataclass(frozen=True, config=CONFIG)
class MeasureStability:
    """The seeds of a run -> how much those that converged have in common; `topk` entries make a top set.

    All that decides which seeds are tried is here, as in `SelectSeed`: fewer seeds are no newer input.
    """

    convergent_metric: str
    convergent_score_threshold: float
    min_convergent_seeds: int | None
    max_seeds: int
    topk: int


@dataclass(frozen=True, config=CONFIG)
class CrossEncode:
    """A run's test examples -> their encoded values by the encoders of several runs.

    `rows` says what the gradients are computed from; the run's own evaluation reads the same ones. `runs` are those
    whose encoders encode, with a digest of what made their GRADIENDs.
    """

    runs: dict[str, str]
    rows: CacheGradients
    target_classes: list[str]
    max_size: int | None
    encoder_eval_balance: bool
    seed: int


@dataclass(frozen=True, config=CONFIG)
class CompareRuns:
    """GRADIENDs and encoded values of several runs -> what they have in common; `topk` entries make a top set.

    `runs` have a digest of what made their GRADIENDs.
    """

    runs: dict[str, str]
    topk: int


@dataclass(frozen=True, config=CONFIG)
class Report:
    """Everything above -> plots and one page. `config` is the run's config file, without what determines no result."""

    target_classes: list[str]
    config: dict[str, Any]


STAGES: dict[str, type[Any]] = {
    "prepare_data": PrepareData,
    "train_mlm_head": TrainMlmHead,
    "cache_importance": CacheImportance,
    "pre_prune": PrePrune,
    "cache_gradients": CacheGradients,
    "tune_learning_rate": TuneLearningRate,
    "train": Train,
    "evaluate_encoder": EvaluateEncoder,
    "select_seed": SelectSeed,
    "post_prune": PostPrune,
    "evaluate_test": EvaluateEncoder,
    "train_control": TrainControl,
    "evaluate_decoder": EvaluateDecoder,
    "rewrite_model": RewriteModel,
    "report": Report,
    "measure_stability": MeasureStability,
    "cross_encode": CrossEncode,
    "compare_runs": CompareRuns,
}


def canonical(settings: Any) -> str:
    """One canonical JSON string of a stage's settings."""
    return json.dumps(TypeAdapter(type(settings)).dump_python(settings, mode="json"), sort_keys=True)


def read_settings(kind: type[S], text: str) -> S:
    """The settings that `canonical` wrote. Raises `GradiendError` on anything else."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise GradiendError(f"--settings: not JSON: {error}") from error
    return parse(kind, value, "--settings")
