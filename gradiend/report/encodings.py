"""The encoded values of test and neutral text, with the texts that they are of."""

import pandas as pd

from gradiend.labels import spoken_class
from gradiend.report.inputs import Inputs

NEUTRAL_TEXT = "neutral text"
LONGEST = 160  # characters of a text that a point says


def encodings(inputs: Inputs) -> pd.DataFrame:
    """`example_id, split, name, word, encoded, text` of the test rows and the neutral texts, missing values left out.

    `name` and `word` are the class and the token that the source gradient speaks for; the text has that token in
    brackets at its slot. Neutral text has no word.
    """
    parts = [_of_examples(inputs), _of_neutral(inputs)]
    table = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    return table[["example_id", "split", "name", "word", "encoded", "text"]]


def _of_examples(inputs: Inputs) -> pd.DataFrame:
    source = inputs.model_config["source"]
    own = inputs.encodings[inputs.encodings["split"] == "test"].dropna(subset=["encoded"])
    texts = inputs.examples[["id", "masked", "factual", "alternative"]]
    table = own.merge(texts, left_on="example_id", right_on="id", how="left")
    word = table["alternative" if source == "alternative" else "factual"]
    pairs = zip(table["masked"], word, strict=True)
    written = [shown(str(masked), str(own_word), inputs.placeholder) for masked, own_word in pairs]
    return table.assign(name=spoken_class(table, source), word=word, text=written)


def _of_neutral(inputs: Inputs) -> pd.DataFrame:
    own = inputs.encodings[inputs.encodings["split"] == "neutral"].dropna(subset=["encoded"])
    table = own.merge(inputs.neutral[["id", "text"]], left_on="example_id", right_on="id", how="left")
    return table.assign(name=NEUTRAL_TEXT, word=None)


def shown(masked: str, word: str, placeholder: str) -> str:
    """The text with the word in brackets at its slot."""
    return masked.replace(placeholder, f"[{word}]", 1)


def cut(text: str, longest: int = LONGEST) -> str:
    """The text around its slot, where it is longer than that."""
    if len(text) <= longest:
        return text
    centre = max(text.find("["), 0)
    start = min(max(0, centre - longest // 2), len(text) - longest)
    end = start + longest
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
