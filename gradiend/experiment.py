"""A whole experiment, typed: base model, data, training arguments, decoder evaluation; one of these is one run."""

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from gradiend.arguments import CONFIG, TrainingArguments
from gradiend.validation import constructed
from gradiend.values import (
    Count,
    Expects,
    Folder,
    LocalOrId,
    OptionalBool,
    OptionalCount,
    OptionalLocalOrId,
    OptionalText,
    Positive,
    Share,
    Text,
    read_bool,
    read_null,
    read_number,
)

# names in the result files
RESERVED = (
    "base",
    "baselines",
    "balance",
    "examples",
    "lms_ratio",
    "neutral",
    "predictions.parquet",
    "summary.json",
    "weaken",
)

DEFAULT_LEARNING_RATES = tuple(
    float(f"{digit}e{power}") for power in (2, 1, 0, -1, -2, -3) for digit in (5, 2, 1) if digit * 10**power <= 100
)

DEFAULT_FACTORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def _each_once(values: list[str]) -> list[str]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"'{value}' is there more than once")
    return values


def _two_classes(names: list[str]) -> list[str]:
    if names[0] == names[1]:
        raise ValueError(f"{names} is wrong: should be two different classes")
    for name in names:
        if name in RESERVED:
            raise ValueError(f"'{name}' is a word of the result files: give the class another name (class_merge_map)")
    return names


Direction = Literal["strengthen", "weaken", "balance"]
TableFiles = Annotated[dict[Text, LocalOrId], Field(min_length=1)]
DataSource = Annotated[LocalOrId | TableFiles, Expects("text or {class: table file}")]
TwoClasses = Annotated[
    list[Text],
    Field(min_length=2, max_length=2, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_two_classes),
    Expects("a list of two different classes"),
]
LearningRates = Annotated[
    Annotated[list[Positive], Field(min_length=1)] | None,
    BeforeValidator(read_null),
    Expects("a list of numbers > 0, not empty, or null"),
]
Factor = Annotated[
    Annotated[float, Field(ge=1e-30, le=1e30)], BeforeValidator(read_number), Expects("a number in [1e-30, 1e30]")
]
Factors = Annotated[list[Factor], Field(min_length=1), Expects("a list of numbers in [1e-30, 1e30], not empty")]
Directions = Annotated[
    list[Direction],
    Field(min_length=1),
    AfterValidator(_each_once),
    Expects("a list of 'strengthen', 'weaken' and 'balance', not empty"),
]
FeatureFactor = Annotated[
    Annotated[float, Field(ge=-1e6, le=1e6)], BeforeValidator(read_number), Expects("a number in [-1e6, 1e6]")
]
FeatureFactors = Annotated[
    dict[Text, FeatureFactor] | None, BeforeValidator(read_null), Expects("{target class: number} or null")
]


@dataclass(frozen=True, config=CONFIG)
class ModelConfig:
    """Which base model: a local folder or a Hugging Face id."""

    name: LocalOrId
    """Local folder or Hugging Face id; the pipeline builds "demo", a BERT, and "demo-causal", a GPT-2, itself."""
    revision: OptionalText = None
    """Branch, tag or commit of a Hugging Face id."""
    trust_remote_code: OptionalBool = None
    """Overrides the training argument of that name."""
    device_map: OptionalText = None
    """Spread the base model over several GPUs, such as "auto" (needs accelerate)."""


@dataclass(frozen=True, config=CONFIG)
class Columns:
    """The names of the columns in the data files."""

    masked: Text = "masked"
    """Text with the placeholder at the slot; not for classifiers, whose texts stand in `text`."""
    split: Text = "split"
    """train, validation or test; may be missing."""
    label: Text = "label"
    """The factual token(s), or the label of a text."""
    label_class: Text = "label_class"
    """The factual class; of a text with a label by default the label."""
    alternative: Text = "alternative"
    """The alternative token(s); may be missing."""
    alternative_class: Text = "alternative_class"
    """The alternative class; may be missing."""
    text: Text = "text"
    """Whole text: neutral ones, and a classifier's."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: Any) -> Any:
        return constructed(cls, values, handler)


@dataclass(frozen=True, config=CONFIG)
class DataConfig:
    """Where the examples and the neutral texts come from."""

    source: DataSource
    """demo, a table file, {class: table file}, a Hugging Face data set id, or a local data set folder."""
    neutral: OptionalLocalOrId = None
    """demo, a table file, or a Hugging Face data set id; None: no neutral texts."""
    columns: Columns = field(default_factory=Columns)
    """Column names."""
    mask_placeholder: Text = "[MASK]"
    """What marks the slot in the texts."""
    split_by: Literal["row", "target"] = "row"
    """Without a split column: split rows, or surface forms of the target."""
    too_long: Literal["error", "cut", "drop"] = "error"
    """A text longer than the model allows: an error, cut symmetrically around the slot, or dropped."""


@dataclass(frozen=True, config=CONFIG)
class DecoderConfig:
    """The decoder evaluation: the candidates and the condition on them."""

    learning_rates: LearningRates = None
    """Learning rates to try. None: 100, 50, 20, 10, ..., 0.001."""
    lms_ratio: Share = 0.99
    """A candidate must keep this share of the base model's LMS."""
    directions: Directions = field(default_factory=lambda: ["strengthen"])
    """strengthen or weaken every target class, or balance the two."""
    feature_factors: FeatureFactors = None
    """Target class -> feature factor that strengthens it. None: derived from source and target."""
    shards: Count = 1
    """Jobs that measure the grid together, before the one that chooses. 1: that one measures alone."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: Any) -> Any:
        return constructed(cls, values, handler)


@dataclass(frozen=True, config=CONFIG)
class TuningConfig:
    """The search for a learning rate, where training_arguments.learning_rate is "tune"."""

    factors: Factors = field(default_factory=lambda: list(DEFAULT_FACTORS))
    """Rates to try, as multiples of what learning_rate "auto" would be."""
    max_seeds: OptionalCount = None
    """Seeds to train with every rate. None: training_arguments.max_seeds."""


@dataclass(frozen=True, config=CONFIG)
class ControlConfig:
    """The control of the training: the same, on batches that are drawn regardless of class."""

    seeds: OptionalCount = None
    """Seeds to train so, from training_arguments.seed on. None: none."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: Any) -> Any:
        return constructed(cls, values, handler)


@dataclass(frozen=True, config=CONFIG)
class ComparisonConfig:
    """The comparison of runs and of seeds."""

    topk: Count = 1000
    """Entries with the largest decoder weights that are compared between runs, and between seeds."""


@dataclass(frozen=True, config=CONFIG)
class ExperimentConfig:
    """One run: everything that a config file says, with the defaults filled in."""

    experiment_dir: Folder
    """Root directory of the experiment."""
    model: Annotated[ModelConfig, Expects("text (folder or id) or a mapping with a name")]
    """The base model."""
    data: DataConfig
    """Examples and neutral texts."""
    target_classes: TwoClasses
    """The two classes to separate; the first encodes to +1, the second to -1."""
    training_arguments: TrainingArguments = field(default_factory=TrainingArguments)
    """The argument guide's arguments."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """The decoder evaluation."""
    tuning: TuningConfig = field(default_factory=TuningConfig)
    """The search for a learning rate."""
    control: ControlConfig = field(default_factory=ControlConfig)
    """The control of the training: batches drawn regardless of class."""
    comparison: ComparisonConfig = field(default_factory=ComparisonConfig)
    """The comparison of runs; about all of them together, and so only at the top."""
    shards: Count = 1
    """Jobs that share the gradient stage."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        given = (values.kwargs if not values.args else None) if isinstance(values, ArgsKwargs) else values
        if not isinstance(given, dict):
            return values
        given = written_out(given)
        parts = (given.get("model"), given.get("training_arguments"))
        trust = [read_null(read_bool(part.get("trust_remote_code"))) for part in parts if isinstance(part, Mapping)]
        if len(trust) == 2:
            _check_trust(*trust)
        return given

    def __post_init__(self) -> None:
        for name in self.decoder.feature_factors or {}:
            if name not in self.target_classes:
                raise ValueError(
                    f"decoder.feature_factors: '{name}' is not one of target_classes {self.target_classes}"
                )
        arguments = self.training_arguments
        if arguments.prediction_objective == "sequence_classification" and self.data.neutral is None:
            raise ValueError(
                "data.neutral: is missing: prediction_objective 'sequence_classification' needs texts whose labels "
                "are to stay as they are"
            )
        if self.control.seeds and arguments.supervised_decoder:
            raise ValueError("control.seeds: compares encoders, and supervised_decoder trains none: leave control out")
        if self.control.seeds and arguments.train_batch_size == 1:
            raise ValueError(
                "control.seeds: a batch of one example has its class however it is drawn: "
                "give a train_batch_size of 2 or more, or leave control out"
            )
        if self.model.device_map and (one := arguments.device_base_model or arguments.device):
            raise ValueError(
                f"model.device_map '{self.model.device_map}' spreads the base model, and device_base_model (or device) "
                f"'{one}' puts it in one place: give one of them"
            )
        _check_trust(self.model.trust_remote_code, self.training_arguments.trust_remote_code or None)
        if self.model.trust_remote_code:
            trusting = replace(self.training_arguments, trust_remote_code=True)
            object.__setattr__(self, "training_arguments", trusting)


def written_out(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with their short forms written out: `model` as text, `target_classes` left out."""
    changes: dict[str, Any] = {}
    arguments = given.get("training_arguments")
    if isinstance(given.get("model"), str | PurePath):
        changes["model"] = {"name": str(given["model"])}
    merge_map = arguments.get("class_merge_map") if isinstance(arguments, Mapping) else None
    if read_null(given.get("target_classes")) is None and isinstance(merge_map, Mapping) and len(merge_map) == 2:
        changes["target_classes"] = list(merge_map)
    return {**given, **changes}


def _check_trust(ours: Any, theirs: Any) -> None:
    """Both as given, None where they are not."""
    if isinstance(ours, bool) and isinstance(theirs, bool) and ours != theirs:
        shown = (f"model.trust_remote_code {ours}", f"training_arguments.trust_remote_code {theirs}")
        raise ValueError(f"{' and '.join(shown).lower()} differ: give one of them")
