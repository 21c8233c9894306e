"""Predictions: the likeliest tokens at the slots of a few examples."""

import pytest
import torch
from families import family
from tiny import tiny_examples

from gradiend.predictions import TOP, shown_examples, top_predictions


@pytest.mark.parametrize("name", ["BERT", "GPT-2", "T5", "BART"])
def test_they_are_the_highest_of_the_softmax_at_the_slot_of_any_kind_of_model(name: str) -> None:
    base, examples = family(name), tiny_examples().query("split == 'train'")
    table = top_predictions(base, examples, batch_size=3)
    columns = ("masked", "factual", "id")
    (slots,) = [base.encode(*(examples[column].tolist() for column in columns))]
    there = {number: slot for number, slot in zip(examples["id"], slots, strict=True) if slot is not None}
    assert set(table["example_id"]) == set(there) and len(table) == TOP * len(there)
    for number, slot in there.items():
        batch = base.batch([slot])
        full = base.model(**batch.inputs).logits[0, slot.positions[0]].double().softmax(-1)  # [vocabulary]
        own = table[table["example_id"] == number]
        assert own["rank"].tolist() == [1, 2, 3, 4, 5]
        torch.testing.assert_close(
            torch.tensor(own["probability"].to_numpy()), full.topk(TOP).values, rtol=1e-4, atol=0
        )
        assert own["token"].iloc[0] == base.word(int(full.argmax()))


def test_a_word_is_read_without_the_space_before_it() -> None:
    gpt2, bert = family("GPT-2"), family("BERT")
    start = gpt2.target_ids("she")[0]
    assert gpt2.tokenizer.decode([start])[0] == " " and gpt2.word(start) == "s"  # "she" is two tokens there
    assert bert.word(bert.target_ids("she")[0]) == "she"
    space = gpt2.tokenizer.convert_tokens_to_ids("\u0120")
    assert gpt2.word(space) == "\u0120"


def test_the_shown_examples_are_of_test_and_of_both_target_classes_alike() -> None:
    shown = shown_examples(tiny_examples(), ("female", "male"), 3)
    assert shown["factual_class"].tolist() == ["female", "male"] and set(shown["split"]) == {"test"}
    assert len(shown_examples(tiny_examples(), ("female", "male"), 10)) == 4
