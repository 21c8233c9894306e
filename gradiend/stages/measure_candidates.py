"""Base model and GRADIEND -> what one of several jobs has measured of the decoder's grid, for the job that chooses."""

import sys
from pathlib import Path

import torch

from gradiend.devices import AUTO
from gradiend.gradients.shards import read_shard
from gradiend.measurements import Measurements
from gradiend.partial import Partial
from gradiend.settings import EvaluateDecoder
from gradiend.stages.command import main
from gradiend.stages.decoder_grids import DecoderGrids, DecoderInputs
from gradiend.stages.own_gradiend import own_gradiend


def run(
    *,
    settings: EvaluateDecoder,
    shard: str,
    model: Path,
    examples: Path,
    neutral: Path,
    data_summary: Path,
    space: Path,
    train_rows: Path | None = None,
    mlm_head: Path | None = None,
    eval_batch_size: int = 32,
    device: str = AUTO,
    partial: Path,
    out: Path,
) -> str:
    """Write `out`, which holds for the same inputs, settings and code alone.

    `shard` is "number/count", numbers from 0; `partial` is the file of the state to go on from after a kill.
    """
    number, shards = read_shard(shard)
    gradiend = own_gradiend(model, settings)
    inputs = DecoderInputs(
        settings, model, examples, neutral, data_summary, space, train_rows, mlm_head, eval_batch_size
    )
    measurements = Measurements(Partial(partial, f"{inputs.identity} {shard}"))
    count = 0
    if gradiend.config.supervised != "encoder":
        count = DecoderGrids(inputs, gradiend, device, measurements, ["validation"]).measure(number, shards)
    measurements.finish(Partial(out, inputs.identity))
    return f"measure_candidates: shard {number} of {shards}: {count} candidates"


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    sys.exit(main(run))
