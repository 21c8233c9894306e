"""Measures how often the demo model is right at the held-out slots; fails where that is too seldom.

The person stands in every text and its name in the texts that the model learnt from, so that 100 % can be reached: the
causal model's examples are those whose person stands before the slot.
"""

import sys
from pathlib import Path

import pandas as pd

from gradiend.demo.causal_model import pronoun_accuracy
from gradiend.demo.language_model import slot_accuracy
from gradiend.errors import GradiendError
from gradiend.files import write_json
from gradiend.stages.command import main

ACCURACIES = {"mlm": slot_accuracy, "clm": pronoun_accuracy}
REQUIRED = 0.95  # chance is 50 % and lower: what is missing then is a word or two, not the agreement


def run(*, model: Path, examples: Path, objective: str = "mlm", out: Path) -> str:
    """Write the accuracy on the validation and test examples as JSON."""
    table = pd.read_csv(examples)
    held_out = table[table["split"] != "train"]
    accuracy = ACCURACIES[objective](model, held_out)
    if accuracy < REQUIRED:
        raise GradiendError(
            f"{model}: fills {accuracy:.1%} of {len(held_out)} held-out slots rightly, not {REQUIRED:.0%}"
        )
    write_json(out, {"accuracy": accuracy, "n": len(held_out), "required": REQUIRED})
    return f"check_demo_model: {accuracy:.1%} of {len(held_out)} held-out slots right"


if __name__ == "__main__":
    sys.exit(main(run))
