"""Writes the demo's corpus: texts to learn from, examples with a slot, neutral texts."""

import sys
from pathlib import Path

from gradiend.demo.corpus import generate, person_first
from gradiend.files import replacing, write_text
from gradiend.stages.command import main


def run(*, texts: Path, examples: Path, causal_examples: Path, later_examples: Path, neutral: Path) -> str:
    """Write one text a line, and four CSV files.

    A causal model's examples have the person before the slot, `later_examples` behind it.
    """
    corpus = generate()
    write_text(texts, "".join(f"{text}\n" for text in corpus.pretraining))
    tables = {examples: corpus.examples, causal_examples: person_first(corpus.examples)}
    tables |= {later_examples: corpus.later, neutral: corpus.neutral}
    for path, table in tables.items():
        with replacing(path) as temporary:
            table.to_csv(temporary, index=False)
    counts = (len(corpus.pretraining), len(corpus.examples), len(tables[causal_examples]), len(corpus.neutral))
    return "build_demo_data: {} texts, {} examples ({} for causal models), {} neutral texts".format(*counts)


if __name__ == "__main__":
    sys.exit(main(run))
