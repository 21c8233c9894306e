"""What a trainer is given -> the config of one run, as a config file would say it."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from gradiend.arguments import TrainingArguments
from gradiend.config import FOLDERS, RUN_ID, parse_config, read_folders, unwritable
from gradiend.errors import GradiendError
from gradiend.examples.sources import read_source
from gradiend.experiment import Columns, ControlConfig, DecoderConfig, ExperimentConfig
from gradiend.files import write_text
from gradiend.folders import in_inputs, misplaced
from gradiend.model_files import DEMO_MODELS
from gradiend.trainer.model_with_gradiend import ModelWithGradiend

ORIGIN = "TextPredictionTrainer"
OF_A_RUN = (  # a trainer without a run id may have these in the same experiment_dir
    *(*FOLDERS, "config.yaml", "control", "data", "decoder", "encoder", "gradients", "inputs", "mlm_head"),
    *("model", "plots", "pruning", "records", "report.html", "report.json", "rewritten", "seeds", "tuning"),
)
MARK = f"# Written by {ORIGIN}, which writes it anew: change a copy.\n"


def run_folder(arguments: TrainingArguments, run_id: str | None, otherwise: str) -> str:
    """`experiment_dir`, with `run_id` a folder in it.

    Raises `GradiendError` where a run id is no folder's name, and where nothing can be written.
    """
    root = os.path.normpath(arguments.experiment_dir or otherwise)
    if os.path.exists(root) and not os.path.isdir(root):
        raise GradiendError(f"experiment_dir: '{root}' is a file: give a folder")
    if (problem := unwritable(root)) is not None:
        raise GradiendError(f"experiment_dir: {problem}")
    if run_id is None:
        return root
    if not (isinstance(run_id, str) and RUN_ID.fullmatch(run_id)):
        raise GradiendError(f"run_id: {run_id!r} is no run id: use letters, digits, _ . = and -, at most 150")
    if run_id in OF_A_RUN:
        raise GradiendError(f"run_id: '{run_id}' is a folder of the pipeline: choose another run id")
    return os.path.join(root, run_id)


def base_model_of(model: str | Path | ModelWithGradiend, arguments: TrainingArguments) -> dict[str, Any]:
    """What `model` of a config says. Raises `GradiendError` on a model that cannot be trained with these arguments."""
    if not isinstance(model, str | Path | ModelWithGradiend):
        kind = type(model).__name__
        raise GradiendError(f"model: a {kind} is wrong: should be an id, a folder, or of create_model_with_gradiend")
    if not isinstance(model, ModelWithGradiend):
        if str(model) in DEMO_MODELS:
            raise GradiendError(
                f"model: '{model}' is built by the pipeline: run `make run`, then use results/demo/demo/model"
            )
        return {"name": str(model)}
    if arguments.params is not None:
        raise GradiendError(
            "params: a ready-made model has its parameters: give param_map to create_model_with_gradiend"
        )
    if model.trained:
        raise GradiendError(f"model: a GRADIEND that is trained already: give its base model, '{model.name_or_path}'")
    for name in ("torch_dtype", "trust_remote_code"):
        theirs, ours = vars(model.settings)[name], vars(arguments)[name]
        if theirs != ours:
            raise GradiendError(f"{name}: {theirs} of the model and {ours} of the training arguments differ")
    return {"name": model.name_or_path}


def require_kinds(target_classes: object, **settings: Any) -> None:
    """Raise `GradiendError` for a setting that is not of its dataclass, such as a dict, and for classes in one text."""
    if isinstance(target_classes, str):
        raise GradiendError(f"target_classes: '{target_classes}' is wrong: should be a list of the two to separate")
    kinds = {"training_args": TrainingArguments, "columns": Columns, "decoder": DecoderConfig, "control": ControlConfig}
    for name, value in settings.items():
        if value is not None and not isinstance(value, kinds[name]):
            right = kinds[name].__name__
            raise GradiendError(f"{name}: a {type(value).__name__} is wrong: should be gradiend.{right}(...)")


def in_words(settings: Any) -> dict[str, Any]:
    """The settings of a dataclass that are not its defaults, as a config file would say them."""
    kind = type(settings)
    values = TypeAdapter(kind).dump_python(settings, mode="json")
    defaults = TypeAdapter(kind).dump_python(kind(), mode="json")
    own = {name: value for name, value in values.items() if value != defaults[name]}
    if own.get("convergent_metric") == "loss":
        own["convergent_score_threshold"] = values["convergent_score_threshold"]
    return own


def configured(
    *,
    folder: str,
    model: Mapping[str, Any],
    source: str | Mapping[str, str],
    neutral: str | None,
    target_classes: Sequence[str] | None,
    arguments: TrainingArguments,
    columns: Columns,
    decoder: DecoderConfig,
    control: ControlConfig,
    **data: Any,
) -> tuple[dict[str, Any], ExperimentConfig]:
    """The config of a run, as plain values and typed; `data` are further settings of the data.

    Raises `GradiendError`: `TextPredictionTrainer: key: what is wrong, what is right`.
    """
    own = in_words(dataclasses.replace(arguments, experiment_dir=None))
    raw: dict[str, Any] = {
        "experiment_dir": folder,
        "model": dict(model),
        "data": {"source": source, "neutral": neutral, "columns": in_words(columns), **data},
        "training_arguments": own,
        "decoder": in_words(decoder),
        "control": in_words(control),
    }
    if target_classes is None and len(arguments.class_merge_map or ()) != 2:
        target_classes = _two_classes(source, columns, str(data.get("mask_placeholder", "[MASK]")))
    if target_classes is not None:
        raw["target_classes"] = list(target_classes)
    config = parse_config(raw, ORIGIN)
    for setting, problem in misplaced(folder, [], arguments.output_dir, arguments.seed_runs_dir).items():
        raise GradiendError(f"{ORIGIN}: {setting}: {problem}")
    written = {"experiment_dir": folder, "output_dir": arguments.output_dir, "seed_runs_dir": arguments.seed_runs_dir}
    for setting, problem in in_inputs(written, read_folders(config)).items():
        raise GradiendError(f"{ORIGIN}: {setting}: {problem}")
    return raw, config


def write_config(path: Path, raw: Mapping[str, Any]) -> None:
    """Write the config file with which `snakemake --configfile` goes on where the trainer is.

    Raises `GradiendError` where the file is the user's own.
    """
    content = MARK + yaml.safe_dump(dict(raw), sort_keys=False, allow_unicode=True)
    if path.exists():
        before = path.read_bytes()
        if before == content.encode():
            return
        if not before.startswith(MARK.encode()):
            raise GradiendError(
                f"{path}: is there, and was not written by {ORIGIN}: move it away, or give another experiment_dir"
            )
    write_text(path, content)


def _two_classes(source: str | Mapping[str, str], columns: Columns, placeholder: str) -> list[str]:
    """The classes of the data in the order in which they come, if there are just two."""
    found = [str(name) for name in read_source(source, columns, placeholder).rows["factual_class"].unique()]
    if len(found) != 2:
        shown = ", ".join(found[:6]) + (", ..." if len(found) > 6 else "")
        raise GradiendError(f"target_classes: the data has {len(found)} classes ({shown}): name the two to separate")
    return found
