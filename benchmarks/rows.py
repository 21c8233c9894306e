"""Gradient rows against plain autograd and against the floor.

    python benchmarks/rows.py [--size BERT-base] [--kept 1 0.1 0.01 0.001] [--examples 8] [--tokens 24] [--device cpu]

prints a table. Times are for both tokens' gradients of all examples. The floor is one forward pass and two backward
passes through the activations alone. "plain" is torch as it is, without the package's products.
"""

import argparse
import warnings
from collections.abc import Callable

import torch
from subjects import DTYPES, SIZES, autograd_row, base_model, floor, pairs, space, without_products
from timing import best_of, heading, line
from torch import Tensor

from gradiend.backbones.language_model import LanguageModel
from gradiend.gradients.capture import Capture, Pair
from gradiend.space import ParameterSpace

COLUMNS = ("size", "examples", "tokens", "kept", "plain autograd, one by one (s)", "plain autograd, batch row (s)")
COLUMNS += ("rows (s)", "batch row (s)", "floor (s)", "plain floor (s)", "rows: times faster")
COLUMNS += ("batch row: times faster", "rows / floor", "rows / plain floor")


def main() -> None:
    """One line for every number of examples and tokens and share of kept entries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="BERT-base")
    parser.add_argument("--kept", type=float, nargs="+", default=[1.0, 0.1, 0.01, 0.001])
    parser.add_argument("--examples", type=int, nargs="+", default=[8])
    parser.add_argument("--tokens", type=int, nargs="+", default=[24])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=DTYPES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    warnings.filterwarnings("ignore", "Sparse")
    base, torchs = (base_model(given.size, DTYPES[given.dtype], given.device) for _ in range(2))
    without_products(torchs)
    heading(*COLUMNS)
    for share in given.kept:
        kept = space(base, share)
        for count in given.examples:
            for tokens in given.tokens:
                examples = pairs(base, count, tokens)
                best = best_of(ways(base, torchs, kept, examples), given.rounds, given.device)
                one, batch, rows, row, least, plain = best.values()
                factors = (one / rows, batch / row, rows / least, rows / plain)
                line([given.size, count, tokens, f"{share:.1%}", *best.values(), *factors])


def ways(
    base: LanguageModel, torchs: LanguageModel, kept: ParameterSpace, examples: list[Pair]
) -> dict[str, Callable[[], object]]:
    """What is timed, by name; `torchs` is the same model without the package's products."""
    capture = Capture(base, kept)
    capture.example_rows(examples[:1])  # its self-check is not what is timed
    names = list(kept.shapes)
    positions = kept.positions_in(ParameterSpace.of({name: base.parameters()[name] for name in names}))
    return {
        "one": lambda: one_by_one(torchs, names, positions, examples),
        "batch": lambda: whole_batch(torchs, names, positions, examples),
        "rows": lambda: capture.example_rows(examples),
        "row": lambda: capture.batch_row(examples),
        "floor": lambda: floor(base, examples),
        "plain": lambda: floor(torchs, examples),
    }


def one_by_one(base: LanguageModel, names: list[str], positions: Tensor, examples: list[Pair]) -> None:
    """Each token of each example is a forward and a backward pass of its own."""
    for pair in examples:
        for slot in (pair.factual, pair.alternative):
            batch = base.batch([slot])
            autograd_row(base, names, positions, batch, batch.target)


def whole_batch(base: LanguageModel, names: list[str], positions: Tensor, examples: list[Pair]) -> None:
    """Each token of the batch is a forward and a backward pass."""
    for slots in ([pair.factual for pair in examples], [pair.alternative for pair in examples]):
        batch = base.batch(slots)
        autograd_row(base, names, positions, batch, batch.target)


if __name__ == "__main__":
    main()
