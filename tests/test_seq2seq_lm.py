"""Sequence-to-sequence models: from texts to what encoder and decoder see, and what they predict there."""

import json
from pathlib import Path

import pytest
import torch
from families import POSITIONS, SEQ2SEQ, causal_tokenizer, family, infilling_tokenizer
from tiny import NEUTRAL_TEXTS, base_model_settings, tiny_examples, tiny_neutral, tiny_pairs
from transformers import AutoModelForSeq2SeqLM

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.loading import load_base_model
from gradiend.backbones.seq2seq_lm import InfillingLM, SentinelLM, seq2seq_lm
from gradiend.backbones.slots import Slot
from gradiend.errors import GradiendError
from gradiend.examples.summary import surface_forms
from gradiend.lms import NeutralText
from gradiend.probabilities import ClassProbabilities

SEP, START = "</s>", "<pad>"


def one(base: LanguageModel, text: str, target: str = "she") -> Slot:
    """The slot of one text, as example 17."""
    (slot,) = base.encode([text], [target], [17])
    assert slot is not None
    return slot


def words(base: LanguageModel, ids: tuple[int, ...]) -> list[str]:
    return [word.replace("\u2581", "_") for word in base.tokenizer.convert_ids_to_tokens(list(ids))]


def seen(base: LanguageModel, slot: Slot) -> tuple[list[str], list[str], list[str]]:
    """What the encoder and the decoder see, and what is asked after the decoder's tokens at the positions."""
    assert len(slot.positions) == len(slot.targets)
    return words(base, slot.ids), words(base, slot.decoder_ids), words(base, slot.targets)


def test_the_slot_of_a_t5_is_the_sentinel_and_the_decoder_writes_what_it_hides() -> None:
    base = family("T5")
    slot = one(base, "then [MASK] said .")
    assert seen(base, slot) == (
        ["_then", "<extra_id_0>", "_said", "_.", SEP],
        [START, "<extra_id_0>"],
        ["_she"],
    )
    assert slot.positions == (1,)
    slot = one(base, "then [MASK] said .", "stewardess")
    assert seen(base, slot)[1:] == ([START, "<extra_id_0>", "_steward"], ["_steward", "ess"])
    assert slot.positions == (1, 2)


@pytest.mark.parametrize(
    ("text", "target"), [("[MASK] said", "_she"), ("a ([MASK]) said", "she"), ("a [MASK]", "_she")]
)
def test_a_target_marks_the_start_of_a_word_where_it_is_one(text: str, target: str) -> None:
    base = family("T5")
    assert words(base, one(base, text).targets) == [target]


def test_the_slot_of_a_bart_is_the_mask_and_the_decoder_writes_the_text_up_to_it() -> None:
    base = family("BART")
    slot = one(base, "then [MASK] said .")
    encoder, decoder, target = seen(base, slot)
    assert encoder == ["<s>", "then", "<mask>", "\u0120said", "\u0120.", SEP]
    assert decoder == [SEP, "<s>", "then", *target[:-1]] and "".join(target) == "\u0120she"
    assert slot.positions == tuple(range(2, 2 + len(target)))


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_the_probability_at_the_slot_is_the_models_own(name: str) -> None:
    base, examples = family(name), tiny_examples()
    forms, found = surface_forms(examples), {}
    for size in (1, 2, 7):
        measured = ClassProbabilities(base, examples, forms, ["female", "male"], size)
        found[size] = torch.tensor(measured.measure())
    torch.testing.assert_close(found[1], found[7], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(found[1], found[2], rtol=1e-5, atol=1e-8)
    column = measured.classes.index("female")
    for row, text in enumerate(measured.examples["masked"]):
        total = sum(_probability(base, text, form) for form in forms["female"])
        assert float(found[7][row, column]) == pytest.approx(total, rel=1e-5)


def _probability(base: LanguageModel, text: str, form: str) -> float:
    """By Hugging Face's own shifting of labels: the target stands behind the sentinel or the text before the slot."""
    if isinstance(base, SentinelLM):
        mask, before, whole = "<extra_id_0>", "<extra_id_0>", f"<extra_id_0> {form}"
    else:
        mask, before = "<mask>", text.partition("[MASK]")[0]
        before, whole = before.rstrip(), before + form
    start, labels = (base.tokenizer(words)["input_ids"][:-1] for words in (before, whole))  # without </s>
    inputs = base.tokenizer(text.replace("[MASK]", mask), return_tensors="pt")
    with torch.no_grad():
        log_p = base.model(**inputs, labels=torch.tensor([labels])).logits[0].double().log_softmax(-1)
    return float(sum(log_p[i, labels[i]] for i in range(len(start), len(labels))).exp())


def test_neighbours_of_a_neutral_text_are_hidden_behind_one_sentinel() -> None:
    base = family("T5")
    (whole,) = base.language_slots(["the old dog saw the cat ."])
    assert whole.targets == whole.ids[:-1]
    encoder, decoder, target = seen(base, slot := base.at(whole, [0, 1, 4, 6]))
    assert encoder == ["<extra_id_0>", "_dog", "_saw", "<extra_id_1>", "_cat", "<extra_id_2>", SEP]
    assert decoder == [START, "<extra_id_0>", "_the", "_old", "<extra_id_1>", "_the", "<extra_id_2>"]
    assert [decoder[position] for position in slot.positions] == [
        "<extra_id_0>",
        "_the",
        "<extra_id_1>",
        "<extra_id_2>",
    ]
    assert target == ["_the", "_old", "_the", "_."]


def test_a_bart_writes_a_neutral_text_as_far_as_it_is_asked() -> None:
    base = family("BART")
    (whole,) = base.language_slots(["the old cat ."])
    slot = base.at(whole, [0, 1])
    assert seen(base, slot) == (
        ["<s>", "<mask>", "\u0120cat", "\u0120.", SEP],
        [SEP, "<s>", "the"],
        ["the", "\u0120old"],
    )
    assert slot.positions == (1, 2)


@pytest.mark.parametrize("name", ["T5", "BART"])
def test_the_lms_does_not_depend_on_batch_size(name: str) -> None:
    base = family(name)
    by_size = [NeutralText(base, range(4), NEUTRAL_TEXTS, skip=[[]] * 4, seed=0, batch_size=size) for size in (1, 3)]
    first_table, second_table = (text.table.sort_values([*text.table]).to_numpy() for text in by_size)
    assert (first_table == second_table).all()
    first, second = (text.score(0) for text in by_size)
    assert (len(first), first.lms) == (len(second), second.lms)
    assert sorted(first.cross_entropy) == pytest.approx(sorted(second.cross_entropy), rel=1e-4)


@pytest.mark.parametrize("name", ["T5", "BART"])
@pytest.mark.parametrize("target", ["she", "stewardess"])
def test_a_long_text_is_cut_around_its_slot_for_encoder_and_decoder(name: str, target: str) -> None:
    base = family(name)
    base.too_long = "cut"
    text = "the dog saw " * POSITIONS + "([MASK]" + " the cat" * POSITIONS
    slot = one(base, text, target)
    assert len(slot.ids) <= POSITIONS and len(slot.decoder_ids) <= POSITIONS
    assert words(base, slot.ids).count(base.mask_token) == 1
    if name in ("BART", "Pegasus"):
        assert slot.decoder_ids[1:].index(slot.ids[slot.ids.index(base.mask) - 1]) >= 0
        assert slot.decoder_ids[1 : slot.positions[0] + 1] == slot.ids[: slot.ids.index(base.mask)]
    base.too_long = "error"
    with pytest.raises(GradiendError, match=f"the base model allows {POSITIONS}"):
        one(base, text, target)


@pytest.mark.parametrize("name", ["T5", "BART"])
def test_a_neutral_text_is_asked_at_its_slot_or_at_one_of_its_tokens(name: str) -> None:
    base = family(name)
    slots = base.neutral_slots(tiny_neutral(), seed=0)
    assert all(slot is not None and base.mask in slot.ids and slot.targets for slot in slots)


def test_a_text_without_exactly_one_slot_is_an_error() -> None:
    for text in ("then she said", "then [MASK] and [MASK]", "then [MASK] and <extra_id_0>"):
        with pytest.raises(GradiendError, match=r"example 17 .*must hold '\[MASK\]' once and no '<extra_id_0>'"):
            one(family("T5"), text)


def test_a_tokenizer_without_sentinels_and_mask_token_is_refused() -> None:
    with pytest.raises(GradiendError, match="has neither <extra_id_0>, as T5's, nor a mask token"):
        seq2seq_lm(family("BART").pretrained, causal_tokenizer())
    assert isinstance(seq2seq_lm(family("BART").pretrained, infilling_tokenizer()), InfillingLM)


@pytest.mark.parametrize("architecture", ["T5ForConditionalGeneration", "T5WithLMHeadModel"])
@pytest.mark.parametrize("name", ["T5", "T5 v1.1"])
def test_a_folder_is_loaded_by_its_architecture_with_the_head_that_it_holds(
    name: str, architecture: str, tmp_path: Path
) -> None:
    base = family(name)
    if name == "T5 v1.1":
        base.pretrained.lm_head.weight += 0.1
    base.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": [architecture]}))
    loaded = load_base_model(base_model_settings(tmp_path))
    assert isinstance(loaded, SentinelLM)
    assert list(loaded.parameters()) == list(base.parameters())
    batch = base.batch([pair.factual for pair in tiny_pairs(base)])
    torch.testing.assert_close(loaded.logits(batch), base.logits(batch))
    assert isinstance(AutoModelForSeq2SeqLM.from_pretrained(tmp_path).lm_head, torch.nn.Linear)
