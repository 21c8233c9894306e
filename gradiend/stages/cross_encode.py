"""The test examples of one run -> their encoded values by the encoders of all runs on the same base model."""

import sys
from pathlib import Path

from gradiend.backbones.loading import load_base_model
from gradiend.comparison import Group, base_model_of
from gradiend.cross_encoding import encode_rows_of
from gradiend.devices import AUTO
from gradiend.errors import GradiendError
from gradiend.gradients.capture import Capture
from gradiend.model import GradiendModel
from gradiend.settings import CrossEncode
from gradiend.stages.command import main
from gradiend.stages.evaluate_encoder import used_positions
from gradiend.stages.live import split_rows
from gradiend.tables import read_table, write_table


def run(
    *,
    settings: CrossEncode,
    examples: Path,
    models: list[Path],
    runs: list[str],
    eval_batch_size: int = 32,
    device: str = AUTO,
    out: Path,
) -> str:
    """Write one line per encoder and example; `models` are the GRADIENDs, and `runs` the names of their runs.

    The gradients are computed once, in the union of the GRADIENDs' kept entries, and not stored. A GRADIEND whose
    encoder is not trained has no lines.
    """
    if len(runs) != len(models):
        raise GradiendError(f"{len(models)} --models and {len(runs)} --runs: give one of each per run")
    loaded = {name: GradiendModel.from_pretrained(folder) for name, folder in zip(runs, models, strict=True)}
    if len(bases := {base_model_of(model) for model in loaded.values()}) > 1:
        raise GradiendError(
            f"the GRADIENDs are of several base models: {', '.join(sorted(name for name, *_ in bases))}"
        )
    encoders = {name: model for name, model in loaded.items() if model.config.supervised != "decoder"}
    capture = Capture(load_base_model(settings.rows.base_model, device=device), Group.of(loaded, 1).space)
    rows = split_rows(settings.rows, capture.base, capture, read_table(examples), "test", eval_batch_size)
    positions = set(used_positions(rows, settings))
    order = [row for chunk in rows.by_length() for row in chunk if row in positions]
    write_table(out, encode_rows_of(encoders, rows, order, settings.target_classes))
    joint = f"{capture.space.input_dim} entries of {len(loaded)} runs"
    return f"cross_encode: {len(positions)} test examples by {len(encoders)} encoders, in {joint}"


if __name__ == "__main__":
    sys.exit(main(run))
