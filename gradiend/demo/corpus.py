"""Generates the demo corpus: gendered sentences with a pronoun slot, and neutral sentences.

Everything follows from the seed. All sentences of a corpus differ, so no held-out text occurs in the pretraining
texts; every person of a held-out text does.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random

import pandas as pd

from gradiend.demo.patterns import AGREEMENT_PATTERNS, COMMON, GENDERED_PATTERNS, NEUTRAL_PATTERNS
from gradiend.demo.people import NAMES, NOUNS
from gradiend.demo.scenes import SCENES, Scene

#: What marks the slot of an example.
MASK = "[MASK]"

#: The pronoun of each class.
PRONOUNS: dict[str, str] = {"female": "she", "male": "he"}

#: Examples by split; half of them female.
EXAMPLE_SIZES: dict[str, int] = {"train": 1600, "validation": 300, "test": 300}

#: Examples whose person stands behind the slot, likewise.
LATER_SIZES: dict[str, int] = {"train": 1000, "validation": 200, "test": 200}

#: Neutral texts by split.
NEUTRAL_SIZES: dict[str, int] = {"validation": 900, "test": 900}

#: Texts to learn from, by kind: with one pronoun, with several, without.
GENDERED_SIZE, AGREEMENT_SIZE, PLAIN_SIZE = 8_000, 3_000, 3_000

_LATER_PATTERNS = tuple(pattern for pattern in GENDERED_PATTERNS if pattern.index("{slot}") < pattern.index("{person}"))
_SHORTEST, _LONGEST = 6, 20
_PERSON = re.compile(
    r"\b(?:" + "|".join(person for label in PRONOUNS for person in (*NAMES[label], *NOUNS[label])) + r")\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Corpus:
    """A generated corpus.

    Attributes:
        pretraining: Texts for the language model, gendered (pronouns filled in) and neutral, shuffled.
        examples: One row per text with a slot: `masked, split, label, label_class, alternative,
            alternative_class`; splits `train`, `validation`, `test`, each half `female` and half `male`.
        later: Further examples, whose person stands behind the slot: the text before it does not determine the pronoun.
        neutral: One row per text without gendered words and third person pronouns: `text, split`; splits
            `validation`, `test`.
    """

    pretraining: list[str]
    examples: pd.DataFrame
    later: pd.DataFrame
    neutral: pd.DataFrame


def generate(seed: int = 0) -> Corpus:
    """The demo corpus of a seed; the same seed always gives the same corpus."""
    draw = Random(seed)
    taken: set[str] = set()
    people = {label: _endless_people(draw, label) for label in PRONOUNS}
    rows = _examples(draw, taken, people, EXAMPLE_SIZES, GENDERED_PATTERNS)
    splits = [split for split, size in NEUTRAL_SIZES.items() for _ in range(size)]
    neutral = pd.DataFrame({"text": [_neutral(draw, taken) for _ in splits], "split": splits})
    pretraining = _pretraining(draw, taken, people)
    later = _examples(draw, taken, people, LATER_SIZES, _LATER_PATTERNS)
    return Corpus(pretraining, pd.DataFrame(rows), pd.DataFrame(later), neutral)


def fill(masked: str, label: str) -> str:
    """The text with the label in its slot."""
    return masked.replace(MASK, label)


def person_first(examples: pd.DataFrame) -> pd.DataFrame:
    """The examples whose person stands before the slot: the text before it determines the pronoun."""
    before = examples["masked"].str.partition(MASK)[0]
    return examples[before.str.contains(_PERSON)].reset_index(drop=True)


def _endless_people(draw: Random, label: str) -> Iterator[str]:
    """All people of a class, in a drawn order, again and again; nouns occur twice as often as names."""
    people = [*NAMES[label], *NOUNS[label], *NOUNS[label]]
    draw.shuffle(people)
    return cycle(people)


def _examples(
    draw: Random,
    taken: set[str],
    people: dict[str, Iterator[str]],
    sizes: dict[str, int],
    patterns: tuple[str, ...],
) -> list[dict[str, str]]:
    """Rows of the examples table by split, the classes in turn."""
    return [
        {
            "masked": _gendered(draw, taken, next(people[label]), patterns),
            "split": split,
            "label": PRONOUNS[label],
            "label_class": label,
            "alternative": PRONOUNS[alternative],
            "alternative_class": alternative,
        }
        for split, size in sizes.items()
        for label, alternative in islice(cycle((("female", "male"), ("male", "female"))), size)
    ]


def _pretraining(draw: Random, taken: set[str], people: dict[str, Iterator[str]]) -> list[str]:
    patterns = [GENDERED_PATTERNS] * GENDERED_SIZE + [AGREEMENT_PATTERNS] * AGREEMENT_SIZE
    labels = cycle(PRONOUNS)
    texts = [
        fill(_gendered(draw, taken, next(people[label]), kind), PRONOUNS[label])
        for kind, label in zip(patterns, labels, strict=False)
    ]
    texts += [_neutral(draw, taken) for _ in range(PLAIN_SIZE)]
    draw.shuffle(texts)
    return texts


def _gendered(draw: Random, taken: set[str], person: str, patterns: tuple[str, ...]) -> str:
    return _new(lambda: _sentence(draw, patterns, {"person": person, "slot": MASK}), taken)


def _neutral(draw: Random, taken: set[str]) -> str:
    return _new(lambda: _sentence(draw, NEUTRAL_PATTERNS, {}), taken)


def _new(write: Callable[[], str], taken: set[str]) -> str:
    """A sentence of fitting length that is not taken yet; it is afterwards."""
    while True:
        text = write()
        if text not in taken and _SHORTEST <= len(text.split()) <= _LONGEST:
            taken.add(text)
            return text


def _sentence(draw: Random, patterns: tuple[str, ...], fixed: dict[str, str]) -> str:
    """One pattern, its fields filled from one scene; no phrase twice."""
    phrases = _fields(draw.choice(SCENES))
    used: set[str] = set()

    def phrase(field: re.Match[str]) -> str:
        if field[1] in fixed:
            return fixed[field[1]]
        chosen = draw.choice([text for text in phrases[field[1]] if text not in used])
        used.add(chosen)
        return chosen

    return _capitalised(re.sub(r"{(\w+)}", phrase, draw.choice(patterns)))


def _fields(scene: Scene) -> dict[str, tuple[str, ...]]:
    return {
        **COMMON,
        "place": scene.places,
        "object": scene.objects,
        "action": scene.actions,
        "state": scene.states,
    }


def _capitalised(text: str) -> str:
    """The text with a capital letter at the start of each sentence."""
    return re.sub(r"(^|[.?] )([a-z])", lambda start: start[1] + start[2].upper(), text)
