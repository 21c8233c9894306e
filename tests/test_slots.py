"""Slots, their batches, their losses, and the head at the slot only."""

import pytest
import torch
import torch.nn.functional as F
from tiny import tiny_examples, tiny_masked_lm, tiny_pairs
from torch import Tensor

from gradiend.backbones.masked_lm import MaskedLM
from gradiend.backbones.slots import Slot, batch_of, head_at, length_sorted_chunks, losses

CPU = torch.device("cpu")


def slots_of(base: MaskedLM) -> list[Slot]:
    """Of several lengths, and with one and two target tokens."""
    slots = [pair.factual for pair in tiny_pairs(base)]
    assert len({len(slot.ids) for slot in slots}) > 2
    assert {len(slot.targets) for slot in slots} == {1, 2}
    return slots


def full_logits(base: MaskedLM, slot: Slot) -> Tensor:
    """The whole model on one unpadded text: `[tokens of the slot, vocabulary]`."""
    with torch.no_grad():
        return base.model(input_ids=torch.tensor([slot.ids])).logits[0, list(slot.positions)]


def test_a_batch_is_padded_to_its_longest_text() -> None:
    batch = batch_of([Slot((5, 6, 7), (1,), (9,)), Slot((5, 6, 7, 8), (0, 2), (1, 2))], 3, CPU)
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7, 3], [5, 6, 7, 8]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert (batch.example.tolist(), batch.position.tolist()) == ([0, 1, 1], [1, 0, 2])
    assert (batch.target.tolist(), batch.examples) == ([9, 1, 2], 2)


def test_a_loss_is_the_mean_over_the_examples_target_tokens() -> None:
    batch = batch_of([Slot((5, 6), (1,), (3,)), Slot((5, 6, 7), (0, 2), (1, 2))], 0, CPU)
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    by_token = -logits.log_softmax(-1)[[0, 1, 2], [3, 1, 2]]
    torch.testing.assert_close(losses(logits, batch), torch.stack([by_token[0], by_token[1:].mean()]))
    other = torch.tensor([0, 0, 3])
    by_token = F.cross_entropy(logits, other, reduction="none")
    torch.testing.assert_close(losses(logits, batch, other), torch.stack([by_token[0], by_token[1:].mean()]))


def test_head_at_gives_the_full_models_logits_at_the_slot() -> None:
    base = tiny_masked_lm(torch.float64)
    batch = base.batch(slots_of(base))
    with torch.no_grad():
        everywhere = base.model(**batch.inputs).logits
        with head_at(base.backbone, batch.example, batch.position):
            found = base.model(**batch.inputs).logits
    assert found.shape == (len(batch.target), 1, everywhere.shape[-1])
    torch.testing.assert_close(found[:, 0], everywhere[batch.example, batch.position], rtol=1e-12, atol=1e-12)


def test_head_at_ends_with_its_block_even_after_an_error() -> None:
    base = tiny_masked_lm()
    batch = base.batch(slots_of(base))
    before = base.model(**batch.inputs).logits
    with pytest.raises(ValueError, match="inside"), head_at(base.backbone, batch.example, batch.position):
        raise ValueError("inside")
    assert torch.equal(base.model(**batch.inputs).logits, before)
    assert not base.backbone._forward_hooks


def test_logits_do_not_depend_on_padding_order_or_batch() -> None:
    base = tiny_masked_lm(torch.float64)
    slots = slots_of(base)
    with torch.no_grad():
        together = base.logits(base.batch(slots))
        backwards = base.logits(base.batch(slots[::-1]))
    alone = [full_logits(base, slot) for slot in slots]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(backwards, torch.cat(alone[::-1]), rtol=1e-12, atol=1e-12)


def test_the_tokenizers_padding_side_is_irrelevant(monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny_masked_lm()
    right = base.logits(base.batch(slots_of(base)))
    monkeypatch.setattr(base.tokenizer, "padding_side", "left")
    assert torch.equal(base.logits(base.batch(slots_of(base))), right)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_are_float32_or_better(dtype: torch.dtype) -> None:
    base = tiny_masked_lm(dtype)
    batch = base.batch(slots_of(base))
    assert base.logits(batch).dtype == torch.float32
    exact = tiny_masked_lm(torch.float64).logits(batch)
    assert exact.dtype == torch.float64
    assert float((base.logits(batch) - exact).norm() / exact.norm()) < 0.05


def test_one_input_serves_both_tokens_where_they_have_as_many_pieces() -> None:
    base = tiny_masked_lm()
    pairs = tiny_pairs(base, tiny_examples().query("factual in ('she', 'woman', 'stewardess')"))
    shared = {(len(pair.factual.targets), pair.factual.same_input(pair.alternative)) for pair in pairs}
    assert shared == {(1, True), (2, False)}


def test_chunks_are_of_similar_length_and_hold_every_text_once() -> None:
    lengths = [9, 10, 5, 10, 1, 9, 8]
    assert length_sorted_chunks(lengths, 2) == [[1, 3], [0, 5], [6], [2], [4]]
    assert length_sorted_chunks(lengths, 9) == [[1, 3, 0, 5, 6], [2], [4]]
    assert length_sorted_chunks([], 2) == []
