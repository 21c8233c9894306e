"""Writes the demo's corpus: texts to learn from, examples with a slot, neutral texts."""

import sys
from pathlib import Path

from gradiend.demo.corpus import generate
from gradiend.files import replacing, write_text
from gradiend.stages.command import main


def run(*, texts: Path, examples: Path, neutral: Path) -> str:
    """Write one text a line, and two CSV files."""
    corpus = generate()
    write_text(texts, "".join(f"{text}\n" for text in corpus.pretraining))
    for path, table in ((examples, corpus.examples), (neutral, corpus.neutral)):
        with replacing(path) as temporary:
            table.to_csv(temporary, index=False)
    counts = (len(corpus.pretraining), len(corpus.examples), len(corpus.neutral))
    return "build_demo_data: {} texts, {} examples, {} neutral texts".format(*counts)


if __name__ == "__main__":
    sys.exit(main(run))
