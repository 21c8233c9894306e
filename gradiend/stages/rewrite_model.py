"""Base model, GRADIEND and the choices -> rewritten models as plain Hugging Face model folders, and what they write."""

import math
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd

from gradiend import __version__
from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.loading import load_base_model
from gradiend.errors import GradiendError
from gradiend.files import file_name, read_json, remove, replacing, write_json
from gradiend.model import GradiendModel
from gradiend.predictions import shown_examples, top_predictions
from gradiend.rewriting import Rewriter
from gradiend.settings import RewriteModel
from gradiend.stages.command import main
from gradiend.tables import PREDICTIONS, read_examples, write_table

MARK = "gradiend.json"  # in every folder that is written here
SHOWN = 10  # test examples whose predictions are noted
BASE, BALANCE = "base", "balance"
NO_CHOICES = (BASE, "baselines", "examples", "neutral", "lms_ratio")  # what else the decoder's summary has


def run(*, settings: RewriteModel, model: Path, decoder: Path, examples: Path, predictions: Path, out: Path) -> str:
    """Write `out` (summary.json) and, beside it, a folder for every choice that was made.

    `predictions` is a table of what the base model and every rewritten one write at the slots of a few test examples:
    `target_class, direction, example_id, rank, token, probability`, the first two being "base" for the base model.
    Where nothing was chosen no base model is loaded, and it is empty.
    """
    gradiend = GradiendModel.from_pretrained(model)
    choices = _read_choices(decoder, gradiend.config.target_classes)
    _remove_earlier(out)
    chosen = any(choice["learning_rate"] is not None for own in choices.values() for choice in own.values())
    base = load_base_model(settings.base_model, device="cpu") if chosen else None
    shown = shown_examples(read_examples(examples), gradiend.config.target_classes, SHOWN)
    tables = [] if base is None else [_predictions(base, shown, BASE, BASE)]
    summary: dict[str, dict[str, Any]] = {}
    for name, own in choices.items():
        for direction, choice in own.items():
            folder = _folder(name, direction)
            written = base is not None and choice["learning_rate"] is not None
            if base is not None and written:
                with _rewritten(base, gradiend, choice):
                    _write(base, gradiend, choice, out.parent / folder)
                    tables.append(_predictions(base, shown, name, direction))
            summary.setdefault(name, {})[direction] = {
                "folder": str(folder) if written else None,
                "learning_rate": choice["learning_rate"],
                "feature_factor": choice["feature_factor"],
                "reason": choice["reason"],
            }
    empty = pd.DataFrame(columns=list(PREDICTIONS))
    write_table(predictions, pd.concat(tables, ignore_index=True) if tables else empty)
    write_json(out, summary)
    folders = [str(c["folder"]) for own in summary.values() for c in own.values() if c["folder"]]
    return f"rewrite_model: {len(folders)} written: {', '.join(folders)}" if folders else "rewrite_model: none chosen"


def _read_choices(path: Path, target_classes: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """The choices by class, or "balance", and direction, all of them checked before anything is written."""
    found = {name: own for name, own in read_json(path).items() if name not in NO_CHOICES}
    if not found or set(found) - {BALANCE} not in (set(), set(target_classes)):
        there, wanted = (" and ".join(f"'{name}'" for name in names) for names in (found, target_classes))
        what = f"its choices are for {there or 'no class'}: should be those for {wanted}"
        raise GradiendError(f"{path}: {what}; delete it and run again")
    for name, own in found.items():
        directions = (BALANCE,) if name == BALANCE else ("strengthen", "weaken")
        if not isinstance(own, dict) or not all(direction in directions for direction in own):
            raise GradiendError(f"{path}: {name}: should have {' or '.join(directions)} alone; delete it and run again")
        for direction, choice in own.items():
            if not isinstance(choice, dict) or not _is_choice(choice):
                what = "learning_rate and feature_factor should be two numbers or null, with a reason"
                raise GradiendError(f"{path}: {name}: {direction}: {what}; delete it and run again")
    return found


def _is_choice(choice: dict[str, Any]) -> bool:
    """Whether there are two numbers to rewrite a model with, or none and why."""
    numbers = [choice["learning_rate"], choice["feature_factor"]]
    if numbers == [None, None]:
        return isinstance(choice["reason"], str)
    finite = all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
    return finite and isinstance(choice["reason"], str | None)


def _remove_earlier(out: Path) -> None:
    """Remove the summary, so that nothing looks finished, then the folders that an earlier run wrote, and no others."""
    remove(out)
    for above in (out.parent, out.parent / "weaken"):
        for partial in list(above.glob(".*.partial")):
            remove(partial)
        for folder in [mark.parent for mark in above.glob("*/" + MARK)]:
            remove(folder.rename(above / f".{folder.name}.partial"))  # half removed it would look foreign


def _folder(name: str, direction: str) -> Path:
    if direction == BALANCE:
        return Path(BALANCE)
    return Path(file_name(name)) if direction == "strengthen" else Path(direction, file_name(name))


def _rewritten(base: LanguageModel, gradiend: GradiendModel, choice: dict[str, Any]) -> AbstractContextManager[None]:
    rewriter = Rewriter(base.parameters(), gradiend.space)
    return rewriter.rewritten(gradiend.update(choice["feature_factor"]), choice["learning_rate"])


def _predictions(base: LanguageModel, examples: pd.DataFrame, name: str, direction: str) -> pd.DataFrame:
    table = top_predictions(base, examples)
    table.insert(0, "target_class", name)
    table.insert(1, "direction", direction)
    return table


def _write(base: LanguageModel, gradiend: GradiendModel, choice: dict[str, Any], folder: Path) -> None:
    """The model as it is now, and what made it."""
    if folder.exists():
        raise GradiendError(f"{folder}: is in the way, and was not written by rewrite_model: move it away")
    with replacing(folder) as temporary:
        base.save_pretrained(temporary)
        write_json(
            temporary / MARK,
            {
                "version": __version__,
                "learning_rate": choice["learning_rate"],
                "feature_factor": choice["feature_factor"],
                "made_by": gradiend.config.made_by,
            },
        )


if __name__ == "__main__":
    sys.exit(main(run))
