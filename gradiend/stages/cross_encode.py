"""The test examples of one run -> their encoded values by the encoders of all runs on the same base model."""

import sys
from pathlib import Path

from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.cross_encoding import encode_rows_of
from gradiend.devices import AUTO
from gradiend.encoders import load_encoders
from gradiend.errors import GradiendError, did_you_mean
from gradiend.gradients.capture import Capture
from gradiend.settings import CrossEncode
from gradiend.space import union
from gradiend.stages.command import main
from gradiend.stages.evaluate_encoder import used_positions
from gradiend.stages.live import split_rows
from gradiend.tables import read_examples, write_table


def run(
    *,
    settings: CrossEncode,
    name: str,
    examples: Path,
    encoders: Path,
    mlm_head: Path | None = None,
    eval_batch_size: int = 32,
    device: str = AUTO,
    out: Path,
) -> str:
    """Write one line per encoder and test example of the run `name`; it and `runs` of the settings are in `encoders`.

    The gradients are computed once, in the union of the encoders' kept entries, and not stored. An encoder that is not
    trained has no lines.
    """
    known = load_encoders(encoders)
    for run in (name, *settings.runs):
        if run not in known:
            raise GradiendError(f"{encoders}: no encoder of the run '{run}'{did_you_mean(run, known)}")
    base = known[name].space.base_model
    own = {run: known[run] for run in settings.runs if known[run].trained and known[run].space.base_model == base}
    space = union(encoder.space for encoder in (own or {name: known[name]}).values())
    base_model = load_base_model(settings.rows.base_model, device=device)
    capture = Capture(with_mlm_head(base_model, settings.rows.base_model, mlm_head), space)
    rows = split_rows(settings.rows, capture.base, capture, read_examples(examples), "test", eval_batch_size)
    positions = set(used_positions(rows, settings))
    order = [row for chunk in rows.by_length() for row in chunk if row in positions]
    write_table(out, encode_rows_of(own, rows, order, settings.target_classes))
    where = f"{space.input_dim} entries that they keep"
    return f"cross_encode: {len(order)} test examples of {name} by {len(own)} encoders, in the {where}"


if __name__ == "__main__":
    sys.exit(main(run))
