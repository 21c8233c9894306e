"""Causal language models: from texts to slots, and what they predict there."""

import pytest
import torch
from families import CAUSAL, POSITIONS, causal_tokenizer, family
from tiny import tiny_examples, tiny_neutral
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.slots import Slot
from gradiend.errors import GradiendError
from gradiend.examples.summary import surface_forms
from gradiend.probabilities import ClassProbabilities


def gpt2(**options: str) -> CausalLM:
    base = family("GPT-2")
    return CausalLM(base.pretrained, base.tokenizer, **options)


def one(base: CausalLM, text: str, target: str = "she", **options: str) -> Slot:
    """The slot of one text, as example 17."""
    (slot,) = base.encode([text], [target], [17], **options)  # type: ignore[arg-type]
    assert slot is not None
    return slot


def spelled(base: CausalLM, ids: tuple[int, ...]) -> str:
    return "".join(base.tokenizer.convert_ids_to_tokens(list(ids))).replace("\u0120", " ")


@pytest.mark.parametrize("target", ["she", "stewardess"])
def test_a_target_after_a_space_takes_the_space_and_is_predicted_after_the_bare_text(target: str) -> None:
    base = gpt2()
    slot = one(base, "then [MASK] said", target)
    assert spelled(base, slot.targets) == f" {target}"
    assert spelled(base, slot.ids) == "then" + spelled(base, slot.targets[:-1])
    before = len(base.tokenizer("then")["input_ids"])
    assert slot.positions == tuple(range(before - 1, len(slot.ids)))
    assert len(slot.positions) == len(slot.targets)


def test_a_target_without_white_space_before_it_continues_the_text_as_it_is() -> None:
    base = gpt2()
    slot = one(base, "then ([MASK]) said")
    asked = slot.ids[: slot.positions[0] + 1]
    assert (spelled(base, asked), spelled(base, slot.targets)) == ("then (", "she")


def test_text_after_the_slot_changes_nothing() -> None:
    base = gpt2()
    assert one(base, "then [MASK] said that .") == one(base, "then [MASK]")


def test_a_text_with_nothing_before_its_slot_is_dropped() -> None:
    assert gpt2().encode(["[MASK] said", "  [MASK] said", "then [MASK]"], ["she"] * 3, range(3))[:2] == [None, None]


def test_a_target_that_does_not_continue_the_tokens_before_it_is_an_error() -> None:
    base = gpt2()
    merged = next(t for t in ("then", "the", "she", "said", "dog") if len(base.tokenizer(t)["input_ids"]) == 1)
    with pytest.raises(GradiendError, match=rf"example 17 \(.*\): '{merged[1:]}' does not continue the tokens"):
        one(base, f"{merged[0]}[MASK]", merged[1:])


@pytest.mark.parametrize("text", ["then she said", "then [MASK] and [MASK]"])
def test_a_text_without_exactly_one_slot_is_an_error(text: str) -> None:
    with pytest.raises(GradiendError, match=r"example 17 \(.*\): a text must hold '\[MASK\]' once"):
        one(gpt2(), text)


def test_a_long_text_is_refused_dropped_or_cut_at_its_beginning() -> None:
    text = "the dog saw " * POSITIONS + "[MASK]"
    with pytest.raises(GradiendError, match=f"tokens, the base model allows {POSITIONS}"):
        one(gpt2(), text)
    assert gpt2(too_long="drop").encode([text], ["she"], [0]) == [None]
    base = gpt2(too_long="cut")
    slot = one(base, text)
    assert (len(slot.ids), slot.positions[-1]) == (POSITIONS, POSITIONS - 1)
    assert spelled(base, slot.ids[: slot.positions[0] + 1]).endswith(" the dog saw")


def with_ends() -> PreTrainedTokenizerFast:
    """A tokenizer that puts a token at both ends of every text, as Llama's does at the first."""
    from tokenizers.processors import TemplateProcessing

    base = causal_tokenizer()
    again = PreTrainedTokenizerFast(
        tokenizer_object=base.backend_tokenizer, bos_token="<s>", eos_token="</s>", model_max_length=POSITIONS
    )
    again.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[("<s>", again.bos_token_id), ("</s>", again.eos_token_id)],
    )
    return again


def test_what_a_tokenizer_puts_at_the_ends_is_kept_before_and_left_out_after() -> None:
    words = with_ends()
    base = CausalLM(
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(words), num_attention_heads=1, hidden_size=8, intermediate_size=8, num_hidden_layers=1
            )
        ),
        words,
    )
    slot = one(base, "then [MASK]")
    assert slot.ids[0] == words.bos_token_id
    assert words.eos_token_id not in slot.ids
    (whole,) = base.language_slots(["then she said"])
    assert whole.targets == whole.ids[1:] and words.bos_token_id not in whole.targets


@pytest.mark.parametrize("name", CAUSAL)
def test_the_probability_at_the_slot_is_the_models_own_next_token_probability(name: str) -> None:
    base, examples = family(name), tiny_examples()
    examples = examples[~examples["masked"].str.startswith("[MASK]")]
    forms = surface_forms(examples)
    found = {}
    for size in (1, 2, 7):
        measured = ClassProbabilities(base, examples, forms, ["female", "male"], size)
        found[size] = measured.measure()
    torch.testing.assert_close(torch.tensor(found[1]), torch.tensor(found[7]), rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(torch.tensor(found[1]), torch.tensor(found[2]), rtol=1e-5, atol=1e-8)
    column = measured.classes.index("female")
    for row, text in enumerate(measured.examples["masked"]):
        prefix, after_space = text.partition("[MASK]")[0], text.partition("[MASK]")[0].endswith(" ")
        total, seen = 0.0, set()
        for form in forms["female"]:
            start = base.tokenizer(prefix.rstrip())["input_ids"]
            ids = base.tokenizer(prefix.rstrip() + " " * after_space + form)["input_ids"]
            if tuple(ids) in seen:
                continue
            seen.add(tuple(ids))
            with torch.no_grad():
                log_p = base.model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
            total += float(sum(log_p[i - 1, ids[i]] for i in range(len(start), len(ids))).exp())
        assert found[7][row, column] == pytest.approx(total, rel=1e-5)


def test_a_neutral_text_is_asked_at_its_slot_or_at_one_of_its_tokens() -> None:
    base = gpt2()
    slots = base.neutral_slots(tiny_neutral(), seed=0)
    assert all(
        slot is not None and len(slot.targets) >= 1 and slot.positions[-1] == len(slot.ids) - 1 for slot in slots
    )
