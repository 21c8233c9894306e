"""The demo: what its corpus promises, and that its language model is really trained."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from gradiend.demo import causal_model, learning
from gradiend.demo.corpus import MASK, Corpus, fill, generate, person_first
from gradiend.demo.language_model import Built, Recipe, build, slot_accuracy
from gradiend.demo.patterns import AGREEMENT_PATTERNS, COMMON, GENDERED_PATTERNS, NEUTRAL_PATTERNS
from gradiend.demo.people import NAMES, NOUNS
from gradiend.demo.scenes import SCENES
from gradiend.errors import GradiendError

PRONOUNS = set(re.findall(r"\w+", "he she him her his hers himself herself they them their theirs it its itself"))
TINY = Recipe(hidden=32, layers=1, heads=2, epochs=100, batch_size=16, learning_rate=5e-3)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def people_in(text: str, label: str) -> set[str]:
    names = set(words(text)) & {name.lower() for name in NAMES[label]}
    return names | {noun for noun in NOUNS[label] if re.search(rf"\b{noun}\b", text.lower())}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that share a core with others wait for each other: ten times slower for models this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(0)


@pytest.fixture(scope="module")
def held_out(corpus: Corpus) -> pd.DataFrame:
    return corpus.examples[corpus.examples["split"] != "train"]


def easy() -> pd.DataFrame:
    """Examples in which the last word of the person decides."""
    pairs = [(name, "she") for name in NAMES["female"][:8]] + [(name, "he") for name in NAMES["male"][:8]]
    rows = [(f"{name} said that {MASK} {end}.", label) for name, label in pairs for end in ("slept", "left")]
    return pd.DataFrame(rows, columns=["masked", "label"])


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [fill(row.masked, row.label) for row in easy().itertuples()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "model"


@pytest.fixture(scope="module")
def built(texts: list[str], folder: Path) -> Built:
    return build(texts, folder, recipe=TINY)


def test_the_same_seed_gives_the_same_corpus(corpus: Corpus) -> None:
    again = generate(0)
    assert again.pretraining == corpus.pretraining
    pd.testing.assert_frame_equal(again.examples, corpus.examples)
    pd.testing.assert_frame_equal(again.neutral, corpus.neutral)


def test_another_seed_gives_another_corpus(corpus: Corpus) -> None:
    assert not set(generate(1).examples["masked"]) & set(corpus.examples["masked"])


def test_every_split_has_as_many_female_as_male_examples(corpus: Corpus) -> None:
    counts = corpus.examples.groupby(["split", "label_class"]).size().unstack()
    assert set(counts.index) == {"train", "validation", "test"}
    assert (counts["female"] == counts["male"]).all()


def test_the_label_is_the_pronoun_of_its_class_and_the_alternative_the_other(corpus: Corpus) -> None:
    columns = ["label", "label_class", "alternative", "alternative_class"]
    rows = set(corpus.examples[columns].itertuples(index=False, name=None))
    assert rows == {("she", "female", "he", "male"), ("he", "male", "she", "female")}


def test_every_example_has_one_slot_and_text_before_it(corpus: Corpus) -> None:
    masked = corpus.examples["masked"]
    assert (masked.str.count(re.escape(MASK)) == 1).all()
    assert not masked.str.contains(rf"(?:^|[.?!] ){re.escape(MASK)}").any()


def test_the_slot_stands_before_the_person_in_some_examples_and_after_it_in_others(corpus: Corpus) -> None:
    rows = corpus.examples.itertuples()
    before = [bool(people_in(row.masked.split(MASK)[1], row.label_class)) for row in rows]
    assert 0.1 < sum(before) / len(before) < 0.9


def test_a_causal_models_examples_are_those_with_the_person_before_the_slot(corpus: Corpus) -> None:
    chosen = person_first(corpus.examples)
    before = [bool(people_in(row.masked.split(MASK)[0], row.label_class)) for row in corpus.examples.itertuples()]
    assert chosen["masked"].tolist() == corpus.examples["masked"][before].tolist()
    counts = chosen.groupby(["split", "label_class"]).size().unstack()
    assert (counts.min(axis=1) > 0.9 * counts.max(axis=1)).all() and counts.loc["test"].sum() > 200


def test_only_the_person_of_an_example_says_its_gender(corpus: Corpus) -> None:
    for row in corpus.examples.itertuples():
        assert len(people_in(row.masked, row.label_class)) == 1, row.masked
        assert not people_in(row.masked, row.alternative_class), row.masked
        assert not set(words(row.masked)) & PRONOUNS, row.masked


def test_no_text_occurs_twice(corpus: Corpus) -> None:
    filled = [fill(row.masked, row.label) for row in corpus.examples.itertuples()]
    every = [text.lower() for text in [*corpus.pretraining, *filled, *corpus.neutral["text"]]]
    assert len(set(every)) == len(every)


def test_the_model_learns_from_every_person_of_the_held_out_examples(corpus: Corpus, held_out: pd.DataFrame) -> None:
    for label in ("female", "male"):
        rows = held_out[held_out["label_class"] == label]
        needed = set().union(*(people_in(text, label) for text in rows["masked"]))
        known = set().union(*(people_in(text, label) for text in corpus.pretraining))
        assert len(needed) > 100
        assert needed <= known


def test_neutral_texts_have_no_gendered_word_and_no_third_person_pronoun(corpus: Corpus) -> None:
    for text in corpus.neutral["text"]:
        assert not set(words(text)) & PRONOUNS, text
        assert not people_in(text, "female") | people_in(text, "male"), text


def test_every_text_has_6_to_20_words(corpus: Corpus) -> None:
    texts = [*corpus.pretraining, *corpus.examples["masked"], *corpus.neutral["text"]]
    assert {len(text.split()) for text in texts} <= set(range(6, 21))


def test_every_sentence_starts_with_a_capital_and_ends_with_a_stop(corpus: Corpus) -> None:
    sentence = re.compile(r"([A-Z][^.?]*[.?])( [A-Z][^.?]*[.?])*")
    assert all(sentence.fullmatch(text) for text in [*corpus.pretraining, *corpus.neutral["text"]])


def test_15_percent_of_the_neutral_words_of_a_split_are_more_than_1500(corpus: Corpus) -> None:
    for split in ("validation", "test"):
        rows = corpus.neutral[corpus.neutral["split"] == split]
        assert 0.15 * sum(len(words(text)) for text in rows["text"]) > 1_500


def test_there_are_several_hundred_names_and_none_is_another_word() -> None:
    female, male = ({name.lower() for name in NAMES[label]} for label in ("female", "male"))
    phrases = [*GENDERED_PATTERNS, *AGREEMENT_PATTERNS, *NEUTRAL_PATTERNS, *NOUNS["female"], *NOUNS["male"]]
    phrases += [phrase for phrases in COMMON.values() for phrase in phrases]
    for scene in SCENES:
        phrases += [*scene.places, *scene.objects, *scene.actions, *scene.states]
    assert len(female | male) == len(NAMES["female"]) + len(NAMES["male"]) >= 300
    assert not (female | male) & {word for phrase in phrases for word in words(phrase)}


def test_the_loss_falls(built: Built) -> None:
    assert sum(built.losses[-5:]) < 0.5 * sum(built.losses[:5])


def test_the_saved_model_is_the_trained_one(built: Built, folder: Path) -> None:
    assert slot_accuracy(folder, easy()) == 1.0
    model = AutoModelForMaskedLM.from_pretrained(folder)
    assert sum(weights.numel() for weights in model.parameters()) == built.parameters
    assert model.config.vocab_size == built.vocabulary


def test_slot_accuracy_counts_wrong_labels_and_does_not_depend_on_batch_size(built: Built, folder: Path) -> None:
    examples = easy()
    examples.loc[:3, "label"] = "he"
    assert slot_accuracy(folder, examples) == slot_accuracy(folder, examples, batch_size=3) == 28 / 32


def test_the_same_seed_gives_the_same_weights(built: Built, texts: list[str], folder: Path, tmp_path: Path) -> None:
    assert build(texts, tmp_path, recipe=TINY).losses == built.losses
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_another_seed_gives_other_losses(built: Built, texts: list[str], tmp_path: Path) -> None:
    assert build(texts, tmp_path, seed=1, recipe=TINY).losses != built.losses


def test_building_leaves_the_global_random_state_alone(texts: list[str], tmp_path: Path) -> None:
    before = torch.get_rng_state()
    build(texts[:4], tmp_path, recipe=Recipe(hidden=16, layers=1, heads=2, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_names_and_pronouns_are_single_tokens_in_either_case(corpus: Corpus, tmp_path: Path) -> None:
    build(corpus.pretraining, tmp_path, recipe=Recipe(hidden=16, layers=1, heads=2, epochs=0))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.is_fast
    for word in ("he", "she", *NAMES["female"], *NAMES["male"]):
        assert tokenizer.tokenize(word) == [word.lower()]


def test_an_unknown_word_is_spelled_with_pieces(built: Built, folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.tokenize("shed") == ["she", "##d"]


def test_text_that_cannot_be_scored_is_an_error(built: Built, folder: Path) -> None:
    with pytest.raises(GradiendError, match="exactly one"):
        slot_accuracy(folder, pd.DataFrame({"masked": ["No slot here."], "label": ["he"]}))
    with pytest.raises(GradiendError, match="'zebra' is not a single token"):
        slot_accuracy(folder, pd.DataFrame({"masked": [f"Here {MASK} is."], "label": ["zebra"]}))
    with pytest.raises(GradiendError, match="needs examples"):
        slot_accuracy(folder, pd.DataFrame({"masked": [], "label": []}))


def test_no_texts_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match="needs texts"):
        build([], tmp_path)


CAUSAL = learning.Recipe(32, 1, 2, epochs=40, batch_size=16, learning_rate=5e-3, focus=(" he", " she"))


@pytest.fixture(scope="module")
def causal(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "causal"
    causal_model.build(texts, folder, recipe=CAUSAL)
    return folder


def test_a_causal_model_learns_whom_the_text_before_the_slot_is_about(causal: Path) -> None:
    examples = easy().assign(alternative=lambda table: table["label"].map({"he": "she", "she": "he"}))
    assert causal_model.pronoun_accuracy(causal, examples) == 1.0
    swapped = examples.rename(columns={"label": "alternative", "alternative": "label"})
    swapped.loc[:3] = examples.loc[:3]
    found = [causal_model.pronoun_accuracy(causal, swapped, batch_size=size) for size in (3, 128)]
    assert found == [4 / 32, 4 / 32]


def test_a_word_of_a_causal_model_is_one_token_with_its_space_and_any_other_is_spelled(causal: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(causal)
    assert tokenizer.tokenize("Abigail said that she left.") == ["Abigail", "Ġsaid", "Ġthat", "Ġshe", "Ġleft", "."]
    assert len(tokenizer.tokenize(" zebra")) == 6
    assert tokenizer.decode(tokenizer("Abigail sæd that she left.")["input_ids"]) == "Abigail sæd that she left."


def test_the_same_seed_gives_the_same_causal_model(texts: list[str], causal: Path, tmp_path: Path) -> None:
    causal_model.build(texts, tmp_path, recipe=CAUSAL)
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (causal / name).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
def test_the_causal_demo_model_is_right_where_the_person_stands_before_the_slot(seed: int, tmp_path: Path) -> None:
    corpus = generate(seed)
    causal_model.build(corpus.pretraining, tmp_path, seed=seed)
    held_out = corpus.examples[corpus.examples["split"] != "train"]
    determined = person_first(held_out)
    rest = held_out[~held_out["masked"].isin(determined["masked"])]
    assert causal_model.pronoun_accuracy(tmp_path, determined) >= 0.97
    assert 0.35 < causal_model.pronoun_accuracy(tmp_path, rest) < 0.65


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_demo_model_fills_97_percent_of_the_held_out_slots(seed: int, tmp_path: Path) -> None:
    corpus = generate(seed)
    build(corpus.pretraining, tmp_path, seed=seed)
    assert slot_accuracy(tmp_path, corpus.examples[corpus.examples["split"] != "train"]) >= 0.97
