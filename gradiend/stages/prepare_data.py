"""Data files -> examples, batches and neutral texts."""

import logging
import sys
from pathlib import Path

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
    """Write the three files."""
    prepared = prepare(settings)
    for warning in prepared.summary["warnings"]:
        LOG.warning(warning)
    write_table(examples, prepared.examples)
    write_table(neutral, prepared.neutral)
    write_json(summary, prepared.summary | {"examples_digest": digest_bytes(examples.read_bytes())})
    return _line(prepared, settings)


def _line(prepared: Prepared, settings: PrepareData) -> str:
    splits = prepared.examples["split"].value_counts()
    classes = prepared.examples["factual_class"].value_counts()
    by_class = [f"{name} {classes[name]}" for name in settings.target_classes]
    others = len(prepared.examples) - int(classes[settings.target_classes].sum())
    return (
        f"prepare_data: {', '.join(f'{splits[split]} {split}' for split in SPLITS)} examples "
        f"({', '.join([*by_class, *([f'identity {others}'] if others else [])])}), "
        f"{sum(prepared.summary['dropped'].values())} dropped, {len(prepared.neutral)} neutral texts"
    )


if __name__ == "__main__":
    sys.exit(main(run))
