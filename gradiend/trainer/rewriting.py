"""One chosen rewrite -> a model folder, written by the pipeline's own stage."""

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradiend.errors import GradiendError
from gradiend.files import make_folder, read_json, replacing, write_json
from gradiend.stages.rewrite_model import MARK
from gradiend.trainer.pipeline import Pipeline

CHOICE = {"learning_rate", "feature_factor", "reason"}


def choice_of(results: Mapping[str, Any], target_class: str, direction: str) -> Mapping[str, Any]:
    """One choice among what `evaluate_decoder` gave: `learning_rate, feature_factor, reason, ...`.

    Raises `GradiendError` where nothing was chosen, with the reason, and where it is not what `evaluate_decoder` gave.
    """
    found: Any = results
    for place, name in (("", target_class), (f"['{target_class}']", direction)):
        if not isinstance(found, Mapping):
            raise _no_results(place, found)
        if name not in found:
            raise GradiendError(f"nothing was chosen to {direction} '{target_class}': decoder_results do not hold it")
        found = found[name]
    place = f"['{target_class}']['{direction}']"
    if not (isinstance(found, Mapping) and found.keys() >= CHOICE):
        raise _no_results(place, found)
    if found["learning_rate"] is None:
        raise GradiendError(f"nothing was chosen to {direction} '{target_class}': {found['reason']}")
    for name in ("learning_rate", "feature_factor"):
        if not isinstance(found[name], int | float):
            raise _no_results(f"{place}['{name}']", found[name])
    return found


def _no_results(place: str, found: object) -> GradiendError:
    what = f"keys {list(found)}" if isinstance(found, Mapping) else repr(found)
    return GradiendError(f"decoder_results{place}: {what[:80]}: give what evaluate_decoder() gave, unchanged")


def write_rewritten(
    pipeline: Pipeline, target_class: str, direction: str, choice: Mapping[str, Any], folder: Path
) -> None:
    """Write the base model as a choice of the decoder evaluation rewrites it.

    Raises `GradiendError` where the folder holds anything but such a model.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / MARK).exists() or not any(folder.iterdir()))):
        raise GradiendError(f"output_dir: '{folder}' is there, and was not written by rewrite_base_model: move it away")
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary, replacing(folder) as new:
        decoder, out = Path(temporary) / "decoder.json", Path(temporary) / "rewritten" / "summary.json"
        choices: dict[str, dict[str, Any]] = {target_class: {direction: dict(choice)}}
        if target_class in (classes := pipeline.config.target_classes):  # the stage wants the other one, too
            choices = {name: {} for name in classes} | choices
        write_json(decoder, choices)
        call = pipeline.calls.rewrite_model()
        pipeline.run(
            dataclasses.replace(call, reads={**call.reads, "decoder": decoder}),
            writes={"predictions": out.with_name("predictions.parquet"), "out": out},
        )
        (out.parent / rewritten_folder(out, target_class, direction)).rename(new)


def rewritten_folder(summary: Path, target_class: str, direction: str) -> str:
    """The folder beside `summary` that holds a rewritten model. Raises `GradiendError` where none was chosen."""
    found: dict[str, Any] = read_json(summary).get(target_class, {}).get(direction) or {
        "reason": "it was not asked for"
    }
    if not found.get("folder"):
        raise GradiendError(f"nothing was chosen to {direction} '{target_class}': {found['reason']}")
    return str(found["folder"])
