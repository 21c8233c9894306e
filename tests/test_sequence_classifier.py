"""Text classifiers: from texts to labels, their probabilities, and what stands for the LMS."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from families import CLASSIFIERS, LABELS, POSITIONS, family
from tiny import NEUTRAL_TEXTS, base_model_settings, tiny_neutral
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from gradiend.backbones.loading import load_base_model
from gradiend.backbones.sequence_classifier import SequenceClassifier
from gradiend.errors import GradiendError
from gradiend.lms import NeutralText
from gradiend.probabilities import ClassProbabilities
from gradiend.rewriting import Rewriter
from gradiend.space import ParameterSpace

TEXTS = ("the old doctor came home .", "a cat", "then the queen said that the dog was very happy today !", "it is .")


def classifier(name: str = "BERT", **options: str) -> SequenceClassifier:
    base = family(f"{name} classifier")
    return SequenceClassifier(base.pretrained, base.tokenizer, **options)


def examples() -> pd.DataFrame:
    names = ["female", "male"] * 2
    columns = {"id": range(4), "masked": TEXTS, "factual": names, "alternative": names[::-1]}
    return pd.DataFrame(columns | {"factual_class": names, "alternative_class": names[::-1]})


def own_probabilities(model: PreTrainedModel, tokenizer: Any, text: str) -> torch.Tensor:
    """`[labels]`: the model's own forward pass of one text."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0].double().softmax(-1)


@pytest.mark.parametrize("padding", [None, 0, 5])
@pytest.mark.parametrize("name", [name.removesuffix(" classifier") for name in CLASSIFIERS])
def test_the_probability_of_a_class_is_the_models_own_at_any_batch_size(name: str, padding: int | None) -> None:
    base = classifier(name)
    if padding is not None and name not in ("GPT-2", "Llama"):
        pytest.skip("only causal classifiers look for padding in the text")
    if name in ("GPT-2", "Llama"):
        base.pretrained.config.pad_token_id = padding
    forms = {"female": {"female"}, "male": {"1"}, "both": ["female", "1", "plural"]}
    by_size = [ClassProbabilities(base, examples(), forms, ["female", "male"], size).measure() for size in (1, 3, 4)]
    for row, text in enumerate(TEXTS):
        own = own_probabilities(base.pretrained, base.tokenizer, text)
        for found in by_size:  # classes in the order of their names: both, female, male
            assert found[row] == pytest.approx([1.0, float(own[0]), float(own[1])], rel=1e-5)
    if name in ("GPT-2", "Llama"):
        assert base.pretrained.config.pad_token_id == padding


def test_a_label_is_a_name_or_a_number_and_any_other_is_named_with_those_there() -> None:
    base = classifier()
    slots = base.encode(["a cat"] * 3, ["male", "1", "plural"], range(3))
    assert [slot.targets for slot in slots if slot] == [(1,), (1,), (2,)]
    for wrong, hint in (("mael", r" \(did you mean 'male'\?\)"), ("3", ""), ("-1", "")):
        with pytest.raises(
            GradiendError, match=rf"example 7 .*: '{wrong}' is no label of the base model: it has {LABELS}{hint}$"
        ):
            base.encode(["a cat"], [wrong], [7])
    with pytest.raises(
        GradiendError, match=r"example 7 .*'a \[MASK\]' has a slot '\[MASK\]': a classifier reads whole texts"
    ):
        base.encode(["a [MASK]"], ["male"], [7])


def test_where_names_are_numbers_only_names_count() -> None:
    base = classifier()
    base.labels = ["1", "2", "3"]
    assert base.target_ids("1") == (0,)
    with pytest.raises(GradiendError, match=r"'0' is no label of the base model: it has 0 '1', 1 '2', 2 '3'"):
        base.target_ids("0")


@pytest.mark.parametrize("names", [{0: "good", 2: "bad"}, {0: "good", 1: "good"}])
def test_labels_that_share_a_name_or_leave_out_a_number_are_refused(names: dict[int, str]) -> None:
    base = classifier()
    base.pretrained.config.id2label = names
    with pytest.raises(GradiendError, match=r"id2label in its config.json is .* numbered from 0 and bear different"):
        SequenceClassifier(base.pretrained, base.tokenizer)


def test_a_text_without_tokens_is_named() -> None:
    base = classifier("GPT-2")
    with pytest.raises(GradiendError, match=r"example 3 .*: '': the base model's tokenizer finds no token in it"):
        base.encode([""], ["male"], [3])
    with pytest.raises(GradiendError, match="neutral text '': the base model's tokenizer finds no token"):
        base.language_slots([""])


def test_a_negative_padding_token_is_none() -> None:
    base = classifier("Llama")
    base.pretrained.config.pad_token_id = -1
    found = ClassProbabilities(
        base, examples(), {"female": {"female"}, "male": {"male"}}, ["female", "male"], 4
    ).measure()
    own = [float(own_probabilities(base.pretrained, base.tokenizer, text)[0]) for text in TEXTS]
    assert [float(row[0]) for row in found] == pytest.approx(own, rel=1e-5)


def test_a_long_text_is_refused_dropped_or_cut() -> None:
    text = "the dog saw " * POSITIONS
    with pytest.raises(GradiendError, match=f"example 0 .* the base model allows {classifier().limit}"):
        classifier().encode([text], ["male"], [0])
    assert classifier(too_long="drop").encode([text], ["male"], [0]) == [None]
    base = classifier(too_long="cut")
    (slot,) = base.encode([text], ["male"], [0])
    assert slot is not None and len(slot.ids) == base.limit and slot.ids[-1] == base.tokenizer.sep_token_id


def test_neutral_texts_have_the_label_that_the_model_predicts() -> None:
    base, neutral = classifier(), tiny_neutral()
    for text, slot in zip(neutral["text"], base.neutral_slots(neutral, seed=0), strict=True):
        assert slot is not None
        assert slot.targets == (int(own_probabilities(base.pretrained, base.tokenizer, text).argmax()),)
    with pytest.raises(GradiendError, match=r"data\.neutral: is missing: a classifier has no language-modelling score"):
        base.neutral_slots(neutral[:0], seed=0)


def test_the_lms_is_the_share_of_neutral_texts_whose_label_stays_the_same() -> None:
    base, texts = classifier(), [*NEUTRAL_TEXTS, *tiny_neutral()["text"]]
    text = NeutralText(base, range(len(texts)), texts, skip=[[]] * len(texts), seed=0, batch_size=3)
    before = text.score(0)
    assert (before.lms, len(before), before.lms_se) == (1.0, len(texts), 0.0)
    old = [int(own_probabilities(base.pretrained, base.tokenizer, one).argmax()) for one in texts]
    space = ParameterSpace.of(base.parameters())
    update = torch.randn(space.input_dim, generator=torch.Generator().manual_seed(0))
    with Rewriter(base.parameters(), space).rewritten(update, 0.5):
        after = text.score(0)
        new = [int(own_probabilities(base.pretrained, base.tokenizer, one).argmax()) for one in texts]
    kept = [a == b for a, b in zip(old, new, strict=True)]
    assert 0 < after.lms < 1 and after.lms == pytest.approx(sum(kept) / len(texts))
    difference, error = after.against(before)
    assert difference == pytest.approx(after.lms - 1)
    assert error == pytest.approx(pd.Series(kept, dtype=float).std() / len(texts) ** 0.5)


@pytest.mark.parametrize("objective", ["auto", "sequence_classification"])
def test_a_folder_is_loaded_by_its_architecture_and_comes_back_whole(objective: str, tmp_path: Path) -> None:
    base = classifier("GPT-2")
    base.save_pretrained(tmp_path)
    loaded = load_base_model(base_model_settings(tmp_path, prediction_objective=objective))
    assert isinstance(loaded, SequenceClassifier) and loaded.labels == ["female", "male", "plural"]
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    for text in TEXTS:
        torch.testing.assert_close(
            own_probabilities(again, base.tokenizer, text), own_probabilities(base.pretrained, base.tokenizer, text)
        )


@pytest.mark.parametrize(("labels", "kind"), [(1, None), (3, "multi_label_classification"), (2, "regression")])
def test_a_model_whose_labels_do_not_exclude_each_other_is_refused(labels: int, kind: str | None) -> None:
    base = classifier()
    base.pretrained.config.id2label = {i: f"LABEL_{i}" for i in range(labels)}
    base.pretrained.config.problem_type = kind
    with pytest.raises(GradiendError, match=f"{labels} labels, problem_type '.*': a classifier of two or more labels"):
        SequenceClassifier(base.pretrained, base.tokenizer)


def test_the_pooler_belongs_to_the_backbone_and_the_classification_heads_do_not() -> None:
    names = {name: set(family(name).parameters()) for name in CLASSIFIERS}
    assert "bert.pooler.dense.weight" in names["BERT classifier"]
    heads = ("classifier", "score", "pre_classifier", "lm_head")
    assert not any(part in heads for own in names.values() for name in own for part in name.split("."))
