"""Causal base model and examples -> a head that predicts the slot from the text right of it, and how good it is."""

import logging
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.loading import load_base_model
from gradiend.backbones.mlm_head import filler
from gradiend.devices import AUTO
from gradiend.errors import GradiendError
from gradiend.files import write_json
from gradiend.mlm_head import WEIGHT_DECAYS, Features, features, forms_of, quality, train_head
from gradiend.settings import TrainMlmHead
from gradiend.stages.command import main
from gradiend.tables import read_examples

LOG = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")


def run(
    *,
    settings: TrainMlmHead,
    examples: Path,
    eval_batch_size: int = 32,
    device: str = AUTO,
    head: Path,
    quality_file: Path,
) -> str:
    """Write the head (safetensors) and its quality on every split (JSON).

    Trained on train, chosen on validation; test is only measured.
    """
    base = load_base_model(settings.base_model, device=device)
    asked = settings.base_model.mlm_head
    if asked is None or not isinstance(base, CausalLM):
        raise GradiendError("--settings: base_model is not one with prediction_objective clm_mlm_head")
    table = read_examples(examples)
    forms = forms_of(table)
    windows = [asked.right_window] if isinstance(asked.right_window, int) else asked.right_window
    by_window: dict[int, dict[str, Features]] = {}
    usable = table
    for window in sorted(windows, reverse=True):  # what is too long for the longest counts for none
        by_window[window] = _features(base, usable, forms, window, eval_batch_size)
        usable = pd.concat([own.table for own in by_window[window].values()])
    decays = WEIGHT_DECAYS if asked.weight_decay is None else [asked.weight_decay]
    trained = train_head(by_window, forms, decays)
    own = by_window[trained.head.right_window]
    found = {split: quality(trained.head, own[split]) for split in SPLITS}
    for split, asked_of in found.items():
        asked_of["dropped"] = int((table["split"] == split).sum()) - asked_of["n"]
    warnings = [_warning(split, found[split]) for split in ("validation", "test") if not found[split]["better"]]
    about = {
        "forms": list(forms),
        "right_window": trained.head.right_window,
        "weight_decay": trained.weight_decay,
        "filler": filler(base.tokenizer)[1],
        "candidates": trained.candidates,
        "warnings": warnings,
    }
    trained.head.save(head)
    write_json(quality_file, found | about)
    for warning in warnings:
        LOG.warning(warning)
    return _line(found, trained.head.right_window, warnings)


def _features(
    base: CausalLM, table: pd.DataFrame, forms: tuple[str, ...], window: int, batch_size: int
) -> dict[str, Features]:
    with tqdm(total=len(table), desc=f"right window {window}", unit="example", mininterval=5) as bar:
        found = {
            split: features(base, table[table["split"] == split], forms, window, batch_size, bar.update)
            for split in SPLITS
        }
    for split, own in found.items():
        if own.table.empty:
            raise GradiendError(f"the base model can use none of the examples of {split}: see data.too_long")
    return found


def _warning(split: str, found: dict[str, Any]) -> str:
    return (
        "the head is not clearly better (by two standard errors) than always saying "
        f"'{found['majority']['form']}' on {split}: right for {found['accuracy']:.1%} of {found['n']}, "
        f"the majority's share is {found['majority']['share']:.1%}: gradients through it say little of the text; "
        "raise mlm_head.right_window, or choose other texts"
    )


def _line(found: dict[str, Any], window: int, warnings: list[str]) -> str:
    shown = ", ".join(
        f"{found[split]['accuracy']:.1%} right on {split} (n = {found[split]['n']}, majority "
        f"{found[split]['majority']['share']:.1%})"
        for split in ("validation", "test")
    )
    return f"train_mlm_head: right window {window}, {shown}" + "".join(f"; WARNING: {text}" for text in warnings)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    sys.exit(main(run))
