"""Data files -> examples, batches and neutral texts."""

import logging
import sys
from pathlib import Path
from typing import Any

from gradiend.examples.preparation import Prepared, prepare
from gradiend.examples.splits import SPLITS
from gradiend.files import digest_bytes, write_json
from gradiend.settings import PrepareData
from gradiend.stages.command import main
from gradiend.tables import write_table

LOG = logging.getLogger(__name__)


def run(
    *,
    settings: PrepareData,
    examples: Path,
    neutral: Path,
    summary: Path,
) -> str:
    """Write the three files; what was dropped, derived or looks wrong is logged, too."""
    prepared = prepare(settings)
    _log(prepared.summary)
    write_table(examples, prepared.examples)
    write_table(neutral, prepared.neutral)
    write_json(summary, prepared.summary | {"examples_digest": digest_bytes(examples.read_bytes())})
    return _line(prepared, settings)


def _log(summary: dict[str, Any]) -> None:
    for transition, count in summary["derived_alternatives"].items():
        LOG.info(f"{count} alternatives derived: {transition}")
    for reason, count in summary["dropped"].items():
        LOG.warning(f"{count} dropped: {reason}")
    for warning in summary["warnings"]:
        LOG.warning(warning)


def _line(prepared: Prepared, settings: PrepareData) -> str:
    splits = prepared.examples["split"].value_counts()
    classes = prepared.examples["factual_class"].value_counts()
    by_class = [f"{name} {classes[name]}" for name in settings.target_classes]
    others = len(prepared.examples) - int(classes[settings.target_classes].sum())
    return (
        f"prepare_data: {', '.join(f'{splits[split]} {split}' for split in SPLITS)} examples "
        f"({', '.join([*by_class, *([f'identity {others}'] if others else [])])}), "
        f"{sum(prepared.summary['dropped'].values())} dropped, {_derived(prepared.summary)}"
        f"{len(prepared.neutral)} neutral texts{_warning(prepared.summary)}"
    )


def _derived(summary: dict[str, Any]) -> str:
    count = sum(summary["derived_alternatives"].values())
    return f"{count} alternatives derived, " if count else ""


def _warning(summary: dict[str, Any]) -> str:
    """The first warning, and how many more there are."""
    if not summary["warnings"]:
        return ""
    first, *more = summary["warnings"]
    return f"; WARNING: {first}" + (f" (and {len(more)} more in the log)" if more else "")


if __name__ == "__main__":
    sys.exit(main(run))
