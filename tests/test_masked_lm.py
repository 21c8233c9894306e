"""Masked language models: from texts to slots."""

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
import torch
from tiny import LIMIT, PIECES, seeded, tiny_bert, tiny_masked_lm, tiny_neutral, tiny_tokenizer
from transformers import AddedToken, BertConfig, BertForMaskedLM, RobertaConfig, RobertaForMaskedLM, RobertaTokenizer

from gradiend.backbones.masked_lm import MaskedLM
from gradiend.backbones.slots import Slot
from gradiend.errors import GradiendError

CLS, SEP = "[CLS]", "[SEP]"
SMALL: dict[str, Any] = {
    "vocab_size": len(tiny_tokenizer()),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 8,
}


def one(base: MaskedLM, text: str, target: str = "she", **options: Any) -> Slot:
    """The slot of one text, as example 17."""
    (slot,) = base.encode([text], [target], [17], **options)
    assert slot is not None
    return slot


def words(base: MaskedLM, slot: Slot) -> list[str]:
    return list(base.tokenizer.convert_ids_to_tokens(list(slot.ids)))


def targets(base: MaskedLM, slot: Slot) -> list[str]:
    return list(base.tokenizer.convert_ids_to_tokens(list(slot.targets)))


def masked_lm(*, mask_token: str = "[MASK]", **options: Any) -> MaskedLM:
    return MaskedLM(tiny_bert(), tiny_tokenizer(mask_token), **options)


def test_the_placeholder_becomes_one_mask_token_per_target_token() -> None:
    base = tiny_masked_lm()
    slot = one(base, "The dog saw [MASK].")
    assert words(base, slot) == [CLS, "the", "dog", "saw", "[MASK]", ".", SEP]
    assert (slot.positions, targets(base, slot)) == ((4,), ["she"])
    slot = one(base, "([MASK]) saw the dog", "Stewardess")
    assert words(base, slot) == [CLS, "(", "[MASK]", "[MASK]", ")", "saw", "the", "dog", SEP]
    assert (slot.positions, targets(base, slot)) == ((2, 3), ["steward", "##ess"])


@pytest.mark.parametrize(("placeholder", "mask_token"), [("[SLOT]", "[MASK]"), ("[MASK]", "<mask>"), ("___", "<mask>")])
def test_the_placeholder_need_not_be_the_tokenizers_mask_token(placeholder: str, mask_token: str) -> None:
    base = masked_lm(placeholder=placeholder, mask_token=mask_token)
    slot = one(base, f"the dog saw {placeholder} .", "woman")
    assert words(base, slot) == [CLS, "the", "dog", "saw", mask_token, mask_token, ".", SEP]
    assert slot.ids == one(tiny_masked_lm(), "the dog saw [MASK] .", "woman").ids


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("the <mask> saw [MASK] .", "she"),
        ("the dog saw <mask> .", "she"),
        ("[MASK] saw [MASK] .", "she"),
        ("[MASK] saw [MASK] .", "woman"),
        ("the <mask> saw <mask> .", "woman"),
        ("the dog .", "she"),
    ],
)
def test_a_text_without_exactly_one_slot_is_an_error_that_names_the_example(text: str, target: str) -> None:
    base = masked_lm(mask_token="<mask>")
    with pytest.raises(GradiendError, match=r"example 17 \(.*\): .* must hold '\[MASK\]' once and no '<mask>' besides"):
        one(base, text, target)


@pytest.mark.parametrize("label", ["zebra", "zeb ra", "old zebra", ""])
def test_a_label_that_the_vocabulary_does_not_hold_is_an_error(label: str) -> None:
    with pytest.raises(GradiendError, match=f"label '{label}' is not in the base model's vocabulary"):
        one(tiny_masked_lm(), "then [MASK] said", label)


@pytest.mark.parametrize("label", ["[MASK]", "[PAD]", "she [SEP]"])
def test_a_label_that_holds_a_special_token_is_an_error(label: str) -> None:
    with pytest.raises(GradiendError, match=r"example 17 .*: label '.*' holds '\[\w+\]', a special token"):
        one(tiny_masked_lm(), "then [MASK] said", label)


def test_the_first_unknown_label_is_named_with_the_first_example_that_has_it() -> None:
    labels = ["she", "zebra", "yak", "zebra"]
    where = r"example 6 \(id in data/examples\.parquet: the row of the data, from 0\)"
    with pytest.raises(GradiendError, match=f"{where}: label 'zebra'"):
        tiny_masked_lm().encode(["then [MASK]"] * 4, labels, range(5, 9))


def test_a_target_after_a_space_is_the_token_with_its_space() -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"hesaw(", "Ġ", "he", "Ġhe", "sa", "saw"]
    merges = [("h", "e"), ("Ġ", "he"), ("s", "a"), ("sa", "w")]
    vocabulary, mask = {piece: i for i, piece in enumerate(pieces)}, AddedToken("<mask>", lstrip=True, special=True)
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=merges, mask_token=mask)
    base = MaskedLM(RobertaForMaskedLM(RobertaConfig(**SMALL)), tokenizer)
    found = {text: targets(base, one(base, text, "he")) for text in ("saw [MASK]", "saw ([MASK]", "[MASK] saw")}
    assert found == {"saw [MASK]": ["Ġhe"], "saw ([MASK]": ["he"], "[MASK] saw": ["he"]}
    assert words(base, one(base, "saw [MASK]", "he")) == ["<s>", "saw", "<mask>", "</s>"]


def long_text(before: int, after: int) -> str:
    """A text of words that can be told apart, `before + after` of them, around the slot."""
    pieces = [piece for piece in PIECES if piece.isalpha()]
    return " ".join([*pieces[:before], "[MASK]", *pieces[before : before + after]])


def test_a_text_of_just_the_limit_is_not_too_long() -> None:
    base = tiny_masked_lm()
    assert base.limit == LIMIT
    assert len(one(base, long_text(10, LIMIT - 13)).ids) == LIMIT
    with pytest.raises(GradiendError, match=rf"example 17 \(.*\): {LIMIT + 1} tokens, the base model allows {LIMIT}"):
        one(base, long_text(10, LIMIT - 12))


def test_too_long_texts_are_dropped_where_that_is_configured() -> None:
    base = masked_lm(too_long="drop")
    found = base.encode(["then [MASK]", long_text(20, 20), "[MASK] said"], ["she"] * 3, range(3))
    assert [slot is None for slot in found] == [False, True, False]


@pytest.mark.parametrize("target", ["she", "woman"])
@pytest.mark.parametrize(("before", "after"), [(20, 20), (0, 40), (40, 0), (3, 37), (37, 3), (12, 12)])
def test_a_cut_text_keeps_its_slot_in_the_middle_as_far_as_the_text_goes(before: int, after: int, target: str) -> None:
    base = masked_lm(too_long="cut")
    slot, whole = one(base, long_text(before, after), target), long_text(before, after).split()
    found = words(base, slot)
    assert (len(found), found[0], found[-1]) == (LIMIT, CLS, SEP)
    masks = len(slot.targets)
    assert [found[position] for position in slot.positions] == ["[MASK]"] * masks
    assert found.count("[MASK]") == masks
    left, right = found[1 : slot.positions[0]], found[slot.positions[-1] + 1 : -1]
    assert left == whole[before - len(left) : before]
    assert right == whole[before + 1 : before + 1 + len(right)]
    if len(left) < before and len(right) < after:
        assert abs(len(left) - len(right)) <= 1


def test_unknown_words_at_the_ends_are_cut_like_any_other() -> None:
    base = masked_lm(too_long="cut")
    text = " ".join(["zebra"] * 30 + ["then", "[MASK]", "said"] + ["zebra"] * 30)
    slot = one(base, text)
    assert len(slot.ids) == LIMIT
    assert words(base, slot)[slot.positions[0] - 1 : slot.positions[0] + 2] == ["then", "[MASK]", "said"]
    assert abs(slot.positions[0] - LIMIT // 2) <= 1


def test_a_call_may_override_what_happens_to_long_texts() -> None:
    assert len(one(tiny_masked_lm(), long_text(20, 20), too_long="cut").ids) == LIMIT
    assert tiny_masked_lm().encode([long_text(20, 20)], ["she"], [0], too_long="drop") == [None]


def test_positions_that_padding_reserves_are_not_allowed_to_texts() -> None:
    roberta = RobertaForMaskedLM(RobertaConfig(max_position_embeddings=20, pad_token_id=1, **SMALL))
    base = MaskedLM(roberta, tiny_tokenizer())
    assert base.limit == 18
    assert torch.isfinite(base.logits(base.batch([one(base, long_text(8, 7))]))).all()


def test_as_many_words_as_positions_are_not_confused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_tokenizer(), "model_max_length", 10**6)
    bert = BertForMaskedLM(BertConfig(max_position_embeddings=SMALL["vocab_size"], pad_token_id=0, **SMALL))
    assert MaskedLM(bert, tiny_tokenizer()).limit == SMALL["vocab_size"]


def test_a_model_whose_tokenizer_has_no_mask_token_is_refused() -> None:
    tokenizer = deepcopy(tiny_tokenizer())
    tokenizer.mask_token = None
    with pytest.raises(GradiendError, match="no mask token"):
        MaskedLM(tiny_bert(), tokenizer)


def test_the_base_model_is_frozen_and_without_dropout() -> None:
    base = tiny_masked_lm()
    assert not any(module.training for module in base.model.modules())
    assert not any(parameter.requires_grad for parameter in base.model.parameters())


def test_the_parameters_are_the_backbones_by_their_full_names_in_model_order() -> None:
    base = tiny_masked_lm()
    full = dict(base.model.named_parameters())
    assert list(base.parameters()) == [name for name in full if name.startswith("bert.")]
    assert all(parameter is full[name] for name, parameter in base.parameters().items())


@pytest.mark.parametrize("tie", [True, False])
def test_the_embeddings_are_those_that_words_come_in_by(tie: bool) -> None:
    assert tiny_masked_lm(tie=tie).embeddings == ("bert.embeddings.word_embeddings.weight",)


def test_a_head_that_cannot_work_on_single_positions_is_refused() -> None:
    class Shifted(BertForMaskedLM):
        def forward(self, input_ids: torch.Tensor, **inputs: Any) -> Any:
            output = super().forward(input_ids, **inputs)
            output.logits = output.logits.expand(-1, 2, -1)
            return output

    model = seeded(lambda: Shifted(tiny_bert().config))
    base = MaskedLM(model, tiny_tokenizer())
    with pytest.raises(GradiendError, match="the head of Shifted does not work on single positions"):
        base.logits(base.batch([one(base, "then [MASK] said")]))


def test_language_slots_hold_every_real_token_and_no_special_one() -> None:
    base = tiny_masked_lm()
    (slot,) = base.language_slots(["the zebra saw the dog ."])
    found = [(position, word) for position, word in enumerate(words(base, slot)) if word in PIECES]
    assert [(p, t) for p, t in zip(slot.positions, targets(base, slot), strict=True)] == found
    (without,) = base.language_slots(["the zebra saw the dog ."], [base.target_ids("the")])
    assert targets(base, without) == ["saw", "dog", "."]
    (cut,) = base.language_slots([long_text(40, 0)])
    assert (len(cut.ids), words(base, cut)[-1]) == (LIMIT, SEP)


def test_neutral_texts_have_their_slot_or_one_real_token_masked() -> None:
    base, neutral = tiny_masked_lm(), tiny_neutral()
    slots = base.neutral_slots(neutral, 3)
    for slot, row in zip(slots, neutral.itertuples(), strict=True):
        assert slot is not None
        filled = [*slot.ids]
        filled[slot.positions[0]] = slot.targets[0]
        assert filled == base.tokenizer(row.text)["input_ids"]
        assert words(base, slot).count("[MASK]") == 1
        if isinstance(row.masked, str):
            assert slot.positions == (1,)
    assert slots == base.neutral_slots(neutral, 3)
    assert slots[::-1] == base.neutral_slots(neutral[::-1], 3)


def test_neutral_tokens_are_drawn_from_all_over_the_texts() -> None:
    base, neutral = tiny_masked_lm(), tiny_neutral().iloc[1:2]
    drawn = [base.neutral_slots(neutral.assign(id=i), 0)[0] for i in range(60)]
    counts = Counter(slot.positions for slot in drawn if slot is not None)
    assert len(counts) > 8


def test_neutral_texts_without_a_known_token_are_left_out() -> None:
    base, neutral = tiny_masked_lm(), tiny_neutral().iloc[:2]
    unknown = neutral.assign(text="zebra yak", masked=["[MASK] yak", None], factual=["zebra", None])
    assert base.neutral_slots(unknown, 0) == [None, None]


def test_no_texts_have_no_slots() -> None:
    base = tiny_masked_lm()
    assert (base.encode([], [], []), base.language_slots([]), base.neutral_slots(tiny_neutral()[:0], 0)) == ([], [], [])


def test_at_masks_the_chosen_positions_only() -> None:
    base = tiny_masked_lm()
    (slot,) = base.language_slots(["the dog saw the cat ."])
    found = base.at(slot, [1, 4])
    assert words(base, found) == [CLS, "the", "[MASK]", "saw", "the", "[MASK]", ".", SEP]
    assert (found.positions, targets(base, found)) == ((2, 5), ["dog", "cat"])
