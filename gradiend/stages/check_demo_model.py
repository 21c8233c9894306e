"""Measures how often the demo model fills the held-out slots rightly; fails where that is too seldom."""

import sys
from pathlib import Path

import pandas as pd

from gradiend.demo.language_model import slot_accuracy
from gradiend.errors import GradiendError
from gradiend.files import write_json
from gradiend.stages.command import main

REQUIRED = 0.95


def run(*, model: Path, examples: Path, out: Path) -> str:
    """Write the accuracy on the validation and test examples as JSON."""
    table = pd.read_csv(examples)
    held_out = table[table["split"] != "train"]
    accuracy = slot_accuracy(model, held_out)
    if accuracy < REQUIRED:
        raise GradiendError(
            f"{model}: fills {accuracy:.1%} of {len(held_out)} held-out slots rightly, not {REQUIRED:.0%}"
        )
    write_json(out, {"accuracy": accuracy, "n": len(held_out), "required": REQUIRED})
    return f"check_demo_model: {accuracy:.1%} of {len(held_out)} held-out slots right"


if __name__ == "__main__":
    sys.exit(main(run))
