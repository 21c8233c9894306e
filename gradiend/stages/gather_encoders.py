"""The GRADIENDs of several runs -> their encoders, in one file: what each run's examples are encoded with."""

import sys
from pathlib import Path

from gradiend.encoders import Encoder, save_encoders
from gradiend.errors import GradiendError
from gradiend.model import GradiendModel
from gradiend.stages.command import main


def run(*, runs: list[str], models: list[Path], out: Path) -> str:
    """Write `out`; `models` has the GRADIEND of each of the `runs`."""
    if len(runs) != len(models):
        raise GradiendError(f"{len(models)} --models and {len(runs)} --runs: give one of each per run")
    save_encoders(
        out, {run: Encoder.of(GradiendModel.from_pretrained(folder)) for run, folder in zip(runs, models, strict=True)}
    )
    return f"gather_encoders: {len(runs)} encoders"


if __name__ == "__main__":
    sys.exit(main(run))
