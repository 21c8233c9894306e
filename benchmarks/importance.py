"""Which importance finds the entries that matter? Recall of the unpruned, trained decoder's largest entries.

    python benchmarks/importance.py results/demo F M [--steps 300] [--rows 60] [--params PATTERN ...]

takes a finished experiment's base model and examples, trains one GRADIEND on all entries of the selected parameters
(live rows, learning rate auto), and prints, for every importance and source, which share of the decoder's largest
1 % and 10 % of entries is among the equally many most important ones.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from gradiend.backbones.loading import load_base_model
from gradiend.experiment import ModelConfig
from gradiend.gradients.capture import Capture
from gradiend.gradients.importance import even_sample, importance
from gradiend.gradients.live import LiveRows, batch_table, encode_pairs
from gradiend.labels import labels
from gradiend.pruning import kept_positions
from gradiend.settings import BaseModel, Train
from gradiend.space import ParameterSpace, select_parameters
from gradiend.tables import read_table
from gradiend.training import train

SHARES = (0.01, 0.1)


class Held:
    """Rows held in memory: unpruned rows are read again and again."""

    def __init__(self, rows: LiveRows) -> None:
        self.space, self.table = rows.space, rows.table
        self._pairs = [rows.pair(row) for row in range(len(rows.table))]

    def pair(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._pairs[row]

    def blocks(self, rows: object):
        for row in rows:  # type: ignore[attr-defined]
            yield self._pairs[row][0][None], self._pairs[row][1][None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("classes", nargs=2)
    parser.add_argument("--model", default=None)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--params", nargs="*", default=None)
    given = parser.parse_args()
    name = given.model or str(given.experiment / "demo" / "model")
    settings = BaseModel(ModelConfig(name).name, None, False, "float32", "auto", "[MASK]", "error", "")
    base, examples = load_base_model(settings), read_table(given.experiment / "data" / "examples.parquet")
    names = select_parameters(list(base.parameters()), given.params)
    space = ParameterSpace.of({key: base.parameters()[key] for key in names})
    decoder = trained_decoder(base, space, examples, given)
    sample = even_sample(examples, given.classes, given.samples, 0)
    pairs = [pair for pair in encode_pairs(base, sample) if pair is not None]
    print(
        f"{space.input_dim} entries, {given.rows} batches, {given.steps} steps, importance from {len(pairs)} examples"
    )
    print("source       importance   " + "  ".join(f"recall of the largest {share:.0%}" for share in SHARES))
    for source in ("alternative", "diff"):
        signs = labels(sample, source, given.classes).tolist()
        for kind in ("mean", "mean_abs", "signed_mean"):
            found = space.gather(importance(base, names, pairs, signs, source=source, kind=kind))
            recalls = [recall(found, decoder, share) for share in SHARES]
            print(f"{source:12s} {kind:12s} " + "  ".join(f"{value:24.2f}" for value in recalls))


def trained_decoder(base, space: ParameterSpace, examples, given: argparse.Namespace) -> torch.Tensor:
    """|decoder weight| after training, `[input_dim]`."""
    train_examples = examples[(examples["split"] == "train") & (examples["batch"].notna())]
    chosen = np.random.default_rng(0).permutation(int(train_examples["batch"].max()) + 1)[: given.rows]
    own = train_examples[train_examples["batch"].isin(chosen)]
    by_id = dict(zip(own["id"], encode_pairs(base, own), strict=True))
    table = batch_table(own)
    groups = [[by_id[i] for i in ids] for ids in table["example_ids"]]
    rows = Held(LiveRows(Capture(base, space), table, groups, 32))
    first, second = given.classes
    settings = Train(
        target_classes=[first, second], source="alternative", target="diff", learning_rate="auto", num_train_epochs=1,
        max_steps=given.steps, weight_decay=1e-2, adam_epsilon=1e-8, optim="adamw", eval_strategy="no", eval_steps=100,
        do_eval=False, encoder_eval_train_max_size=None, encoder_eval_balance=True, save_strategy="no", save_steps=1,
        save_only_best=True, delete_models=False, convergent_metric="correlation", normalize_gradiend=True,
        supervised_encoder=False, supervised_decoder=False, latent_dim=1, activation_encoder="tanh",
        activation_decoder="id", bias_decoder=True, seed=0, live=None,
    )  # fmt: skip
    trained = train(settings, space, rows, None, 0)
    print(f"correlation on the training rows: {trained.model.config.correlation}")
    return trained.model.decoder.weight.detach()[:, 0].abs()


def recall(found: torch.Tensor, truth: torch.Tensor, share: float) -> float:
    """Share of the largest entries of `truth` that are among the largest of `found`."""
    wanted = set(kept_positions(truth, share, None).tolist())
    return len(wanted & set(kept_positions(found, share, None).tolist())) / len(wanted)


if __name__ == "__main__":
    main()
