"""Every stage as a call of its `run` function: the files that it reads and writes, and its other options."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradiend.devices import AUTO, SPREAD
from gradiend.experiment import ExperimentConfig
from gradiend.gradients.shards import shards_of
from gradiend.selection import seed_values
from gradiend.trainer.layout import SPLITS, Layout, of_a_gradiend


@dataclass(frozen=True)
class Call:
    """`run(settings=..., **reads, **writes, **options)` of a stage; `results` are the files that it leaves for good."""

    stage: str
    reads: Mapping[str, Path | list[Path] | None]
    writes: Mapping[str, Path]
    results: Sequence[Path]
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    shards: int = 1  # jobs of the pipeline that each left a record


class Calls:
    """The calls of one run, in the order in which they are made.

    `made_from` gives the digest by which the workflow knows again what may be of several shards, by stage.
    """

    def __init__(self, config: ExperimentConfig, layout: Layout, made_from: Callable[[str], str]) -> None:
        self._arguments, self._layout, self._made_from = config.training_arguments, layout, made_from
        self.pruned = self._arguments.pre_prune_config is not None
        self.cached = self._arguments.use_cached_gradients
        self.headed = self._arguments.prediction_objective == "clm_mlm_head"
        self.searches = self._arguments.learning_rate == "tune"
        arguments = self._arguments
        self.control_seeds = seed_values(arguments.seed, config.control.seeds or 0)
        self.has_several_seeds = (
            arguments.keep_seed_runs and arguments.max_seeds > 1 and arguments.min_convergent_seeds != 1
        )
        self._device = self._device_of(self._arguments.device_base_model)
        if config.model.device_map:
            self._device = f"{SPREAD}{config.model.device_map}"
        self._base = {"eval_batch_size": self._arguments.eval_batch_size, "device": self._device}

    def prepare_data(self) -> Call:
        """Data -> examples and neutral texts."""
        own = self._layout
        writes = {"examples": own.examples, "neutral": own.neutral, "summary": own.data_summary}
        return Call("prepare_data", {}, writes, list(writes.values()))

    def train_mlm_head(self) -> Call:
        """Examples -> the head that gradients come through."""
        own = self._layout
        writes = {"head": own.mlm_head, "quality_file": own.mlm_head_quality}
        return Call("train_mlm_head", {"examples": own.examples}, writes, list(writes.values()), self._base)

    def cache_importance(self) -> Call:
        """Gradients of a few examples -> the importance of every entry."""
        out = self._layout.importance
        reads = {"examples": self._layout.examples, "mlm_head": self._head()}
        return Call("cache_importance", reads, {"out": out}, [out], self._base)

    def pre_prune(self) -> Call:
        """Importance -> the kept space."""
        importance = self._layout.importance if self.pruned else None
        return Call("pre_prune", {"importance": importance}, {"out": self._layout.space}, [self._layout.space])

    def cache_gradients(self) -> Call:
        """Base model and examples -> stored rows."""
        own, made_from = self._layout, self._made_from("cache_gradients")
        rows, shards = [own.rows(split) for split in SPLITS], shards_of(own.gradients, made_from, 1)
        results = [*rows, *(path.with_name(f"shard-{i}.safetensors") for path in rows for i in range(shards))]
        reads = {**self._data(neutral=True), "mlm_head": self._head()}
        options = {**self._base, "made_from": made_from, "partial": own.partial("cache_gradients-0")}
        return Call("cache_gradients", reads, {"out": own.gradients}, results, options, shards=shards)

    def tune_learning_rate(self) -> Call:
        """Stored rows -> the learning rate."""
        own = self._layout
        reads = {"space": own.space, "train_rows": own.rows("train"), "validation_rows": own.rows("validation")}
        writes = {"trials": own.trials, "out": own.learning_rate}
        options = {**self._devices(), "partial": own.partial("tune_learning_rate")}
        return Call("tune_learning_rate", reads, writes, list(writes.values()), options)

    def train(self, seed: int) -> Call:
        """Rows -> one seed's GRADIEND, whose folder outlives the selection only with `keep_seed_runs`."""
        own, keep = self._layout, self._arguments.keep_seed_runs
        return Call(
            "train",
            {**self._live("train", "validation"), "tuned": own.learning_rate if self.searches else None},
            {"out": own.seed(seed) / "model", "training": own.training(seed)},
            [own.training(seed), *(of_a_gradiend(own.seed(seed) / "model") if keep else [])],
            {
                **self._base,
                **self._devices(),
                "seed": seed,
                "keep_seed_runs": int(keep),
                "partial": own.partial(f"train-{seed}"),
            },
            seed,
        )

    def evaluate_encoder(self, seed: int) -> Call:
        """One seed's GRADIEND -> its score on validation."""
        own = self._layout
        model = {"model": own.seed(seed) / "model", "training": own.training(seed)}
        reads, out = {**model, **self._live("train", "validation")}, own.evaluation(seed)
        return Call("evaluate_encoder", reads, {"out": out}, [out], {**self._base, "seed": seed}, seed)

    def select_seed(self, seeds: Sequence[int]) -> Call:
        """The scores of the seeds that were tried -> the best seed."""
        own = self._layout
        reads = {
            "evaluations": [own.evaluation(seed) for seed in seeds],
            "trainings": [own.training(seed) for seed in seeds],
        }
        writes = {"best": own.best, "report": own.seed_report}
        return Call("select_seed", reads, writes, [own.seed_report, *of_a_gradiend(own.best)])

    def measure_stability(self, seeds: Sequence[int]) -> Call:
        """The seeds that were tried -> what the converged ones have in common."""
        own = self._layout
        reads: dict[str, Path | list[Path] | None] = {
            "configs": [own.seed(seed) / "model" / "config.json" for seed in seeds],
            "evaluations": [own.evaluation(seed) for seed in seeds],
        }
        writes = {"out": own.stability, "figure": own.stability.with_suffix(".svg")}
        return Call("measure_stability", reads, writes, list(writes.values()))

    def post_prune(self) -> Call:
        """The selected GRADIEND -> the pruned one."""
        out = self._layout.model
        return Call("post_prune", {"best": self._layout.best}, {"out": out}, of_a_gradiend(out))

    def evaluate_test(self) -> Call:
        """The GRADIEND -> its encoder's scores on all splits."""
        own = self._layout
        writes = {"metrics": own.metrics, "encodings": own.encodings}
        reads = {"model": own.model, **self._live(*SPLITS, neutral=True)}
        return Call("evaluate_test", reads, writes, list(writes.values()), self._base)

    def train_control(self, seed: int) -> Call:
        """Examples in batches drawn regardless of class -> the score of a GRADIEND trained on them."""
        own, out = self._layout, self._layout.control(seed)
        tuned = own.learning_rate if self.searches else None
        reads = {**self._data("validation", "test"), "mlm_head": self._head(), "tuned": tuned}
        options = {**self._base, **self._devices(), "seed": seed, "partial": own.partial(f"train_control-{seed}")}
        return Call("train_control", reads, {"out": out}, [out], options, seed)

    def evaluate_decoder(self) -> Call:
        """The GRADIEND -> the rewritten models that were tried, and the choice among them."""
        own = self._layout
        given = {"model": own.model, "data_summary": own.data_summary, **self._live("train", neutral=True)}
        writes = {"grid": own.grid, "positions": own.lms_positions, "summary": own.decoder_summary}
        made_from = self._made_from("evaluate_decoder")
        options = {**self._base, "made_from": made_from, "partial": own.partial("evaluate_decoder")}
        return Call("evaluate_decoder", {**given, "measured": []}, writes, list(writes.values()), options)

    def rewrite_model(self) -> Call:
        """The choices -> rewritten models."""
        own = self._layout
        reads = {"model": own.model, "decoder": own.decoder_summary, "examples": own.examples}
        writes = {"predictions": own.predictions, "out": own.rewritten}
        return Call("rewrite_model", reads, writes, list(writes.values()))

    def report(self, seeds: Sequence[int]) -> Call:
        """Everything -> figures and one page."""
        own = self._layout
        reads: dict[str, Path | list[Path] | None] = {
            "trainings": [own.training(seed) for seed in seeds],
            "evaluations": [own.evaluation(seed) for seed in seeds],
            "controls": [own.control(seed) for seed in self.control_seeds],
            "seed_report": own.seed_report,
            "data_summary": own.data_summary,
            "metrics": own.metrics,
            "encodings": own.encodings,
            "grid": own.grid,
            "decoder": own.decoder_summary,
            "rewritten": own.rewritten,
            "predictions": own.predictions,
            "examples": own.examples,
            "neutral": own.neutral,
            "mlm_head": own.mlm_head_quality if self.headed else None,
            "tuning": own.trials if self.searches else None,
            "weights": own.model / "model.safetensors",
            "space": own.model / "space.safetensors",
            "model_config": own.model / "config.json",
            "benchmarks": own.root / "benchmarks",
        }
        writes = {"plots": own.root / "plots", "numbers": own.root / "report.json", "out": own.report}
        return Call("report", reads, writes, list(writes.values()))

    def _data(self, *splits: str, neutral: bool = False) -> dict[str, Path | None]:
        """Examples, kept space, and the rows of some splits where they are stored."""
        own = self._layout
        reads: dict[str, Path | None] = {"examples": own.examples, "space": own.space}
        reads |= {"neutral": own.neutral} if neutral else {}
        return reads | {f"{split}_rows": own.rows(split) if self.cached else None for split in splits}

    def _live(self, *splits: str, neutral: bool = False) -> dict[str, Path | None]:
        """The same, and the head that rows come through, where they are computed as they are needed."""
        return {**self._data(*splits, neutral=neutral), "mlm_head": None if self.cached else self._head()}

    def _head(self) -> Path | None:
        return self._layout.mlm_head if self.headed else None

    def _devices(self) -> dict[str, str]:
        return {
            "device_encoder": self._device_of(self._arguments.device_encoder),
            "device_decoder": self._device_of(self._arguments.device_decoder),
        }

    def _device_of(self, own: str | None) -> str:
        return own or self._arguments.device or AUTO
