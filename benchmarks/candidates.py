"""Candidates of the decoder evaluation against bare forward passes.

    python benchmarks/candidates.py [--size BERT-base] [--kept 0.01] [--examples 100] [--tokens 24] [--device cpu]

prints a table. One candidate: the update applied, P(class) at the slots of the examples, the LMS on 1,000 tokens, the
base model restored. Bare: the same padded batches through the model as a whole, whose head then sees every position.
"""

import argparse
from collections.abc import Callable

import pandas as pd
import torch
from subjects import SIZES, base_model, random_ids, space
from timing import best_of, heading, line

from gradiend.backbones.language_model import LanguageModel
from gradiend.decoding import SplitEvaluator
from gradiend.lms import NeutralText
from gradiend.probabilities import ClassProbabilities
from gradiend.rewriting import Rewriter
from gradiend.space import ParameterSpace


def main() -> None:
    """One line for every share of kept entries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="BERT-base")
    parser.add_argument("--kept", type=float, nargs="+", default=[0.1, 0.01])
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    base = base_model(given.size, device=given.device)
    examples, neutral = sets(base, given.examples, given.tokens)
    heading(
        "size",
        "kept",
        "candidate (s)",
        "of which apply and restore (s)",
        "candidates / s",
        "bare (s)",
        "candidate / bare",
    )
    for share in given.kept:
        best = best_of(ways(base, space(base, share), examples, neutral), given.rounds, given.device)
        candidate, whole = best["candidate"], best["bare"]
        line([given.size, f"{share:.1%}", candidate, best["rewriting"], 1 / candidate, whole, candidate / whole])


def ways(
    base: LanguageModel, kept: ParameterSpace, examples: ClassProbabilities, neutral: NeutralText
) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    rewriter = Rewriter(base.parameters(), kept)
    evaluator = SplitEvaluator(rewriter, examples, neutral, ["a", "b"], 0.99)
    update = torch.randn(kept.input_dim) * 1e-6
    return {
        "candidate": lambda: evaluator.trial(update, 1.0).with_probabilities().measured,
        "rewriting": lambda: (rewriter.apply(update, 1.0), rewriter.restore()),
        "bare": lambda: bare(base, examples, neutral),
    }


def sets(base: LanguageModel, count: int, tokens: int) -> tuple[ClassProbabilities, NeutralText]:
    """Examples of two classes, and neutral texts of 1,000 scored tokens, all of one length."""
    texts = [" ".join(base.tokenizer.convert_ids_to_tokens(ids)) for ids in random_ids(base, 600, tokens - 2)]
    masked = [
        " ".join([*text.split()[: tokens // 2], "[MASK]", *text.split()[tokens // 2 :]]) for text in texts[:count]
    ]
    words = [["w0", "w1"][i % 2] for i in range(count)]
    names = [["a", "b"][i % 2] for i in range(count)]
    table = pd.DataFrame({"id": range(count), "masked": masked, "factual": words, "alternative": words[1:] + words[:1]})
    table = table.assign(factual_class=names, alternative_class=names[1:] + names[:1])
    scored = 1_000 // max(1, round(base.scored_share * (tokens - 2))) + 1
    neutral = NeutralText(base, range(scored), texts[:scored], skip=[()] * scored, seed=0, batch_size=32)
    return ClassProbabilities(base, table, {"a": ["w0"], "b": ["w1"]}, ["a", "b"], 32), neutral


def bare(base: LanguageModel, examples: ClassProbabilities, neutral: NeutralText) -> None:
    """The model's own forward pass on all batches."""
    for batch, *_ in examples._passes:
        base.model(**batch.inputs)
    for batch in neutral._batches[0]:
        base.model(**batch.inputs)


if __name__ == "__main__":
    main()
