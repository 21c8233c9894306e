"""The trainer of the argument guide: from a base model and a table of texts to a rewritten model."""

import dataclasses
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from transformers import PreTrainedModel

from gradiend.arguments import TrainingArguments
from gradiend.errors import GradiendError
from gradiend.experiment import Columns, ControlConfig, DecoderConfig, Direction, ExperimentConfig
from gradiend.files import read_json
from gradiend.model import GradiendModel
from gradiend.space import ParameterSpace
from gradiend.tables import ENCODINGS, read_table
from gradiend.trainer.calls import Call
from gradiend.trainer.configuration import base_model_of, configured, require_kinds, run_folder, write_config
from gradiend.trainer.data import Table, as_neutral, as_source
from gradiend.trainer.figures import convergence_figure, distribution_figure, require_direction, shift_figure
from gradiend.trainer.keywords import suggesting
from gradiend.trainer.model_with_gradiend import ModelWithGradiend
from gradiend.trainer.pipeline import Pipeline, require_unshared
from gradiend.trainer.rewriting import choice_of, write_rewritten
from gradiend.trainer.text.prediction.model_with_gradiend import TextPredictionModelWithGradiend

SPLITS = {"val": "validation", "validation": "validation", "test": "test", "neutral": "neutral"}


class TextPredictionTrainer:
    """Trains a GRADIEND of a language model, evaluates it and rewrites the model; every stage is the pipeline's own.

    Results lie in `experiment_dir` (with `run_id`: in a folder of that name in it), in the files of the pipeline, with
    a config.yaml with which `snakemake --configfile` goes on. With `use_cache` what is there is left as it is if it was
    made with the same settings, data, base model and code; otherwise it is made anew.
    """

    @suggesting
    def __init__(
        self,
        model: str | Path | ModelWithGradiend,
        data: Table | Mapping[str, Table],
        *,
        training_args: TrainingArguments | None = None,
        args: TrainingArguments | None = None,
        eval_neutral_data: Table | None = None,
        target_classes: Sequence[str] | None = None,
        run_id: str | None = None,
        columns: Columns | None = None,
        mask_placeholder: str = "[MASK]",
        split_by: str = "row",
        too_long: str = "error",
        decoder: DecoderConfig | None = None,
        control: ControlConfig | None = None,
    ) -> None:
        """Check everything that can be checked without a base model. Raises `GradiendError`.

        `model`: a Hugging Face id, a folder, or what `create_model_with_gradiend` made. `data` and `eval_neutral_data`:
        a DataFrame, a table file, a data set id or folder; `data` also {class: one of the first two}. `target_classes`
        may be left out where the data has just two. `args` is `training_args`. A keyword that there is not raises a
        `TypeError` that names the nearest.
        """
        if training_args is not None and args is not None:
            raise GradiendError("TextPredictionTrainer: training_args and args are the same: give one of them")
        arguments = training_args or args or TrainingArguments()
        require_kinds(target_classes, training_args=arguments, columns=columns, decoder=decoder, control=control)
        base = base_model_of(model, arguments)
        if isinstance(model, ModelWithGradiend):
            arguments = dataclasses.replace(arguments, params=model.param_map)
        self._temporary = None if arguments.experiment_dir else _temporary_folder()
        folder = run_folder(arguments, run_id, self._temporary.name if self._temporary else "")
        require_unshared(Path(folder))
        inputs = Path(folder) / "inputs"
        self._raw, config = configured(
            folder=folder,
            model=base,
            source=as_source(data, inputs),
            neutral=as_neutral(eval_neutral_data, inputs),
            target_classes=target_classes,
            arguments=arguments,
            columns=columns or Columns(),
            decoder=decoder or DecoderConfig(),
            control=control or ControlConfig(),
            mask_placeholder=mask_placeholder,
            split_by=split_by,
            too_long=too_long,
        )
        self._use_cache = arguments.use_cache
        self._pipeline = Pipeline(config)
        self._write_config()

    @property
    def config(self) -> ExperimentConfig:
        """What is computed: the config of the pipeline's run."""
        return self._pipeline.config

    @property
    def experiment_dir(self) -> Path:
        """Where the results lie, with the run's own folder."""
        return self._pipeline.layout.root

    def pre_prune(self) -> ParameterSpace:
        """Prepare the data and prune before training, as `train` does it; the kept entries."""
        self._begin()
        self._pipeline.prepare(reuse=self._use_cache)
        return ParameterSpace.load(self._pipeline.layout.space)

    def train(self) -> ModelWithGradiend:
        """Train seed after seed until enough have converged, select the best and prune it; the trained model.

        A bar shows the seeds with their correlation, another the steps of a seed.
        """
        self._begin()
        self._pipeline.train(reuse=self._use_cache)
        return self.get_model()

    def post_prune(self) -> GradiendModel:
        """Prune the selected GRADIEND, as `train` does it; the pruned one. Raises `GradiendError` before training."""
        self._begin()
        seeds = self._pipeline.tried()
        if seeds is None or not self._pipeline.is_right(self._pipeline.calls.select_seed(seeds)):
            raise self._untrained()
        self._bring(self._pipeline.calls.post_prune())
        return GradiendModel.from_pretrained(self._pipeline.layout.model)

    def get_model(self) -> ModelWithGradiend:
        """The trained GRADIEND with its base model. Raises `GradiendError` where there is none of these settings."""
        self._require_trained()
        arguments = self.config.training_arguments
        return TextPredictionModelWithGradiend.from_pretrained(
            self._pipeline.layout.model,
            device=arguments.device,
            device_encoder=arguments.device_encoder,
            device_decoder=arguments.device_decoder,
            device_base_model=arguments.device_base_model,
            trust_remote_code=arguments.trust_remote_code,
            prediction_objective=arguments.prediction_objective,
        )

    def get_seed_report(self) -> dict[str, Any]:
        """Which seed was selected, and why; the keys are those of the argument guide."""
        self._require_trained()
        report: dict[str, Any] = read_json(self._pipeline.layout.seed_report)
        return report

    def get_training_stats(self) -> dict[str, Any]:
        """How the selected seed's training went: `curves`, `best_step`, `training_score`, `steps`, `arguments`, ..."""
        self._require_trained()
        training: dict[str, Any] = read_json(self._pipeline.layout.model / "training.json")
        return training

    def evaluate_encoder(
        self, *, split: str = "test", max_size: int | None = None, return_df: bool = False, plot: bool = False
    ) -> dict[str, Any]:
        """The encoder's score on a split, "validation", "test" or "neutral": `correlation`, `classes`, `baselines`, ...

        `max_size` caps the rows for this call only, which then writes no file. With `return_df` the result also has
        `encoder_df`, a line for every encoded value; with `plot` it has `figure`, of the same rows and neutral texts.
        """
        if split not in SPLITS:
            raise GradiendError(f"split: '{split}' is wrong: should be 'validation', 'test' or 'neutral'")
        if max_size is not None and (not isinstance(max_size, int) or max_size < 1):
            raise GradiendError(f"max_size: {max_size!r} is wrong: should be an integer >= 1 or None")
        self._require_trained()
        call = self._pipeline.calls.evaluate_test()
        if max_size is None:
            self._bring(call)
            metrics, encodings = read_json(call.writes["metrics"]), read_table(call.writes["encodings"], ENCODINGS)
        else:
            metrics, encodings = self._capped_evaluation(max_size)
        result: dict[str, Any] = metrics[SPLITS[split]]
        if return_df:
            result["encoder_df"] = encodings[encodings["split"] == SPLITS[split]].reset_index(drop=True)
        if plot:
            result["figure"] = distribution_figure(self._pipeline, metrics, encodings, SPLITS[split])
        return result

    def evaluate_decoder(
        self, *, target_class: str | None = None, increase_target_probabilities: bool = True, plot: bool = False
    ) -> dict[str, Any]:
        """The rewritten models that were tried, and the choice: `{class: {"strengthen": {learning_rate, test, ...}}}`.

        Without `increase_target_probabilities` also "weaken". `base` has the base model's numbers; with
        `target_class` the other class is left out. With `plot` the result also has `figure`, of the class's choice.
        """
        direction = self._direction(increase_target_probabilities)
        classes = [self._known_class(target_class)] if target_class else self.config.target_classes
        self._require_trained()
        self._bring(self._pipeline.calls.evaluate_decoder())
        summary: dict[str, Any] = read_json(self._pipeline.layout.decoder_summary)
        result = {
            key: value for key, value in summary.items() if key in classes or key not in self.config.target_classes
        }
        if plot:
            result["figure"] = self.plot_probability_shifts(target_class=classes[0], direction=direction)
        return result

    def rewrite_base_model(
        self,
        decoder_results: Mapping[str, Any] | None = None,
        *,
        target_class: str,
        increase_target_probabilities: bool = True,
        output_dir: str | Path | None = None,
    ) -> PreTrainedModel:
        """The base model rewritten toward a target class, or away from it, as the decoder evaluation chose.

        `decoder_results` is what `evaluate_decoder` gave; without it the decoder is evaluated here, and all choices are
        also written to `rewritten/`. In `output_dir` this one is written, as a folder for `from_pretrained`. Raises
        `GradiendError` where nothing was chosen, with the reason.
        """
        direction = self._direction(increase_target_probabilities)
        self._known_class(target_class)
        results = decoder_results
        if results is None:
            results = self.evaluate_decoder(increase_target_probabilities=increase_target_probabilities)
        choice = choice_of(results, target_class, direction)
        if decoder_results is None:
            self._bring(self._pipeline.calls.rewrite_model())
        if output_dir is not None:
            write_rewritten(self._pipeline, target_class, direction, choice, Path(output_dir))
        return self.get_model().rewrite_base_model(choice["learning_rate"], choice["feature_factor"])

    def report(self) -> Path:
        """Evaluate, rewrite and report what is not yet there; the page that shows everything."""
        self._require_trained()
        calls = self._pipeline.calls
        controls = [calls.train_control(seed) for seed in calls.control_seeds]
        for call in (calls.evaluate_test(), *controls, calls.evaluate_decoder(), calls.rewrite_model()):
            self._bring(call)
        self._bring(calls.report(self._pipeline.tried() or []))
        return self._pipeline.layout.report

    def plot_training_convergence(self) -> Figure:
        """Loss, correlation and mean encoded values of all seeds, by step."""
        self._require_trained()
        return convergence_figure(self._pipeline)

    def plot_encoder_distributions(self) -> Figure:
        """The encoded values on test, by class."""
        figure: Figure = self.evaluate_encoder(plot=True)["figure"]
        return figure

    def plot_probability_shifts(
        self, *, target_class: str | None = None, direction: Direction = "strengthen"
    ) -> Figure:
        """What a chosen rewrite does to the probabilities of the classes, on test."""
        require_direction(direction)
        wanted = self._known_class(target_class or self.config.target_classes[0])
        self.evaluate_decoder(increase_target_probabilities=direction != "weaken")
        return shift_figure(self._pipeline, wanted, direction)

    def _bring(self, call: Call) -> None:
        self._pipeline.bring(call, reuse=self._use_cache)

    def _begin(self) -> None:
        """Before anything is computed or compared: what is there now, and the config that the results will be of."""
        self._pipeline.look_again()
        self._write_config()

    def _require_trained(self) -> None:
        self._begin()
        if not self._pipeline.is_right(self._pipeline.calls.post_prune()):
            raise self._untrained()

    def _untrained(self) -> GradiendError:
        what = "no GRADIEND that was trained with these settings, data, base model and code"
        return GradiendError(f"{self.experiment_dir}: {what}: call train() first")

    def _known_class(self, name: str) -> str:
        if name not in self.config.target_classes:
            raise GradiendError(f"target_class: '{name}' is not one of {self.config.target_classes}")
        return name

    def _direction(self, increase: bool) -> Direction:
        """The direction that is wanted, which from now on the decoder evaluation looks for, too."""
        direction: Direction = "strengthen" if increase else "weaken"
        decoder = self.config.decoder
        if direction not in decoder.directions:
            directions = [*decoder.directions, direction]
            made = self._pipeline.made
            decoder = dataclasses.replace(decoder, directions=directions)
            self._pipeline = Pipeline(dataclasses.replace(self.config, decoder=decoder))
            self._pipeline.made = made
            self._raw["decoder"] = {**self._raw["decoder"], "directions": directions}
            self._write_config()
        return direction

    def _capped_evaluation(self, max_size: int) -> tuple[dict[str, Any], pd.DataFrame]:
        """The stage with another cap, and its results read from a temporary folder."""
        capped = dataclasses.replace(self.config.training_arguments, encoder_eval_max_size=max_size)
        pipeline = Pipeline(dataclasses.replace(self.config, training_arguments=capped))
        with tempfile.TemporaryDirectory() as folder:
            writes = {"metrics": Path(folder) / "metrics.json", "encodings": Path(folder) / "encodings.parquet"}
            pipeline.run(pipeline.calls.evaluate_test(), writes)
            return read_json(writes["metrics"]), read_table(writes["encodings"], ENCODINGS)

    def _write_config(self) -> None:
        write_config(self.experiment_dir / "config.yaml", self._raw)


def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    warnings.warn(
        "no experiment_dir is given: all results are in a temporary folder, and go when the trainer goes",
        stacklevel=3,
    )
    return tempfile.TemporaryDirectory(prefix="gradiend-")
