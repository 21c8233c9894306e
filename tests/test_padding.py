"""Models whose output depends on padding (no attention mask, convolutions, means over all positions): never padded."""

import pytest
import torch
from families import POSITIONS, family
from tiny import NEUTRAL_TEXTS, seeded, tiny_examples, tiny_masked_lm, tiny_pairs, tiny_tokenizer
from transformers import FNetConfig, FNetForMaskedLM

from gradiend.backbones.masked_lm import MaskedLM
from gradiend.gradients.importance import importance
from gradiend.probabilities import ClassProbabilities

FORMS = {"female": ["she", "her", "woman"], "male": ["he", "him", "man"]}


def without_attention_mask() -> MaskedLM:
    words = tiny_tokenizer()
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32, "max_position_embeddings": POSITIONS}
    return MaskedLM(seeded(lambda: FNetForMaskedLM(FNetConfig(vocab_size=len(words), **sizes))), words)


def test_it_is_seen_in_a_model_without_an_attention_mask_and_in_no_other() -> None:
    for base, depends in ((without_attention_mask(), True), (tiny_masked_lm(), False), (family("GPT-2"), False)):
        slots = sorted((pair.factual for pair in tiny_pairs(base)), key=lambda slot: len(slot.ids))
        assert not base.depends_on_padding(slots[0], slots[0])  # where nothing is padded, nothing is learnt
        assert base.depends_on_padding(slots[-1], slots[0]) is depends


@pytest.mark.parametrize("size", [3, 16])
def test_the_probabilities_of_such_a_model_do_not_depend_on_batch_size(size: int) -> None:
    base, examples = without_attention_mask(), tiny_examples().query("factual_class != 'plural'")
    found = ClassProbabilities(base, examples, FORMS, ["female", "male"], size).measure()
    alone = ClassProbabilities(base, examples, FORMS, ["female", "male"], 1).measure()
    torch.testing.assert_close(torch.tensor(found), torch.tensor(alone), rtol=1e-5, atol=1e-8)


def test_its_chunks_hold_texts_of_one_length_and_every_text_once() -> None:
    base = without_attention_mask()
    slots = base.language_slots([*NEUTRAL_TEXTS, "the cat is tired", "it was a very young king", "the dog is tired"])
    chunks = base.chunks(slots, 9)
    assert all(len({len(slots[i].ids) for i in chunk}) == 1 for chunk in chunks)
    assert sorted(i for chunk in chunks for i in chunk) == list(range(len(slots)))


def test_its_importance_does_not_depend_on_batch_size() -> None:
    base = without_attention_mask()
    pairs, names = tiny_pairs(base), list(base.parameters())
    labels = [1.0, -1.0] * 5
    many, one = (
        importance(base, names, pairs, labels[: len(pairs)], source="diff", kind="signed_mean", batch_size=size)
        for size in (8, 1)
    )
    for name in names:
        torch.testing.assert_close(many[name], one[name], rtol=1e-4, atol=1e-7)
