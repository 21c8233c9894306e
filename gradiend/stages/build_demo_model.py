"""Trains the demo's small BERT on the demo's texts."""

import sys
from pathlib import Path

from gradiend.demo.language_model import build
from gradiend.files import replacing
from gradiend.stages.command import main


def run(*, texts: Path, out: Path) -> str:
    """Write a Hugging Face model folder."""
    lines = texts.read_text(encoding="utf-8").splitlines()
    with replacing(out) as temporary:
        built = build(lines, temporary)
    return (
        f"build_demo_model: {built.parameters} parameters, loss {built.losses[-1]:.3f} after {len(built.losses)} steps"
    )


if __name__ == "__main__":
    sys.exit(main(run))
