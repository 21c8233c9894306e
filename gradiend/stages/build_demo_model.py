"""Trains the demo's small BERT (mlm), or its small GPT-2 (clm), on the demo's texts."""

import sys
from collections.abc import Callable
from pathlib import Path

from gradiend.demo import causal_model, language_model
from gradiend.demo.learning import Built
from gradiend.files import replacing
from gradiend.stages.command import main

BUILDS: dict[str, Callable[[list[str], Path], Built]] = {"mlm": language_model.build, "clm": causal_model.build}


def run(*, texts: Path, objective: str = "mlm", out: Path) -> str:
    """Write a Hugging Face model folder."""
    lines = texts.read_text(encoding="utf-8").splitlines()
    with replacing(out) as temporary:
        built = BUILDS[objective](lines, temporary)
    return (
        f"build_demo_model: {built.parameters} parameters, loss {built.losses[-1]:.3f} after {len(built.losses)} steps"
    )


if __name__ == "__main__":
    sys.exit(main(run))
