"""The probability of each class's tokens at the slot."""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import CLASSES, tiny_examples, tiny_masked_lm

from gradiend.examples.summary import surface_forms
from gradiend.probabilities import ClassProbabilities


def probabilities(examples: pd.DataFrame, batch_size: int = 4, forms: dict[str, list[str]] | None = None):
    base = tiny_masked_lm()
    return base, ClassProbabilities(base, examples, forms or surface_forms(examples), CLASSES, batch_size)


def by_hand(base, text: str, form: str) -> float:
    """The product of the form's token probabilities, with as many masks as tokens, by the full model, unpadded."""
    ids = base.tokenizer(form, add_special_tokens=False)["input_ids"]
    tokens = base.tokenizer(text.replace("[MASK]", "[MASK]" * len(ids)), return_tensors="pt")
    slots = (tokens["input_ids"][0] == base.tokenizer.mask_token_id).nonzero().flatten()
    with torch.no_grad():
        p = base.model(**tokens).logits[0].softmax(-1)
    return float(np.prod([float(p[slot, i]) for slot, i in zip(slots, ids, strict=True)]))


def test_a_class_has_the_sum_over_its_forms_also_of_several_tokens() -> None:
    examples = tiny_examples().query("split == 'train'")
    base, measure = probabilities(examples)
    got = measure.measure()
    for row, text in enumerate(measure.examples["masked"]):
        for column, name in enumerate(measure.classes):
            expected = sum(by_hand(base, text, form) for form in surface_forms(examples)[name])
            assert got[row, column] == pytest.approx(expected, rel=1e-5)


def test_probabilities_do_not_depend_on_batch_size_or_order() -> None:
    examples = tiny_examples()
    one, many = probabilities(examples, 1)[1].measure(), probabilities(examples, 64)[1].measure()
    reverse = probabilities(examples.iloc[::-1], 3)[1].measure()[::-1]
    np.testing.assert_allclose(one, many, rtol=1e-5)
    np.testing.assert_allclose(one, reverse, rtol=1e-5)


def test_forms_with_the_same_ids_count_once() -> None:
    examples = tiny_examples().query("split == 'test'")
    plain = {"female": ["she"], "male": ["he"], "plural": ["they"]}
    doubled = plain | {"female": ["She", "she"]}  # the tokenizer is uncased
    once, twice = (probabilities(examples, forms=forms)[1].measure() for forms in (plain, doubled))
    np.testing.assert_allclose(once, twice)


def test_where_the_target_classes_share_a_form_the_examples_own_tokens_count() -> None:
    examples = tiny_examples().query("split == 'train' and factual_class != 'plural'")
    forms = {"female": ["she", "her", "woman"], "male": ["he", "her", "him", "man"]}
    forms = {name: sorted({*own, *surface_forms(examples)[name]}) for name, own in forms.items()}
    base, measure = probabilities(examples, forms=forms)
    got = measure.measure()
    for row, example in enumerate(measure.examples.itertuples()):
        own = {example.factual_class: example.factual, example.alternative_class: example.alternative}
        for column, name in enumerate(measure.classes):
            assert got[row, column] == pytest.approx(by_hand(base, example.masked, own[name]), rel=1e-5)


def test_means_are_by_scored_class_and_class_of_the_example() -> None:
    _, measure = probabilities(tiny_examples())
    got = measure.measure()
    own = measure.examples["factual_class"].to_numpy()
    column = measure.classes.index("female")
    assert measure.means(got)["p_female_on_male"] == pytest.approx(got[own == "male", column].mean())
    assert set(measure.means(got)) == {f"p_{a}_on_{b}" for a in measure.classes for b in set(own)}


def test_surface_forms_are_those_of_factual_and_alternative_tokens() -> None:
    forms = surface_forms(tiny_examples())
    assert set(forms["plural"]) == {"they"}
    assert set(forms["male"]) == {"he", "him", "man", "steward"}
