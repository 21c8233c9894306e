"""Live rows: the same rows as stored ones, computed as they are asked for."""

import pandas as pd
import pytest
import torch
from families import family
from tiny import (
    autograd_rows,
    base_model_settings,
    random_space,
    relative_error,
    tiny_examples,
    tiny_masked_lm,
    tiny_pairs,
)
from torch import Tensor

from gradiend.backbones.masked_lm import MaskedLM
from gradiend.errors import GradiendError
from gradiend.gradients.capture import Capture, Pair
from gradiend.gradients.live import LiveRows, batch_table, encode_pairs, example_table
from gradiend.gradients.rows import ROW_COLUMNS
from gradiend.settings import CacheGradients
from gradiend.stages.live import split_rows

TRAIN = tiny_examples().query("split == 'train'")
FLOAT32 = 3e-6


def batches(base: MaskedLM, batch_size: int) -> LiveRows:
    """One row per training batch."""
    pairs = dict(zip(TRAIN["id"], tiny_pairs(base), strict=True))
    table = batch_table(TRAIN)
    groups = [[pairs[i] for i in ids] for ids in table["example_ids"]]
    return LiveRows(Capture(base, random_space(base, 0.2)), table, groups, batch_size)


def singles(base: MaskedLM, batch_size: int) -> LiveRows:
    """One row per training example."""
    groups = [[pair] for pair in tiny_pairs(base)]
    return LiveRows(Capture(base, random_space(base, 0.2)), example_table(TRAIN), groups, batch_size)


def factual_rows(base: MaskedLM, rows: LiveRows) -> Tensor:
    return autograd_rows(base, rows.space, [pair.factual for pair in tiny_pairs(base)])


def test_a_batch_row_is_the_mean_over_its_examples_however_many_fit_at_a_time() -> None:
    base = tiny_masked_lm()
    for size in (1, 2, 32):
        rows = batches(base, size)
        by_example = dict(zip(TRAIN["id"], factual_rows(base, rows), strict=True))
        for row, ids in enumerate(rows.table["example_ids"]):
            true = torch.stack([by_example[i] for i in ids]).mean(0)
            assert relative_error(rows.pair(row)[0], true) < FLOAT32


def test_blocks_of_batches_are_single_rows() -> None:
    rows = batches(tiny_masked_lm(), 32)
    for row, (factual, alternative) in zip([2, 0], rows.blocks([2, 0]), strict=True):
        assert factual.shape == alternative.shape == (1, rows.space.input_dim)
        assert torch.equal(factual[0], rows.pair(row)[0])


@pytest.mark.parametrize("size", [1, 3, 32])
def test_blocks_of_examples_are_in_the_order_asked_for(size: int) -> None:
    base = tiny_masked_lm()
    rows, wanted = singles(base, size), [7, 0, 3, 10, 3]
    blocks = [factual for factual, _ in rows.blocks(wanted)]
    assert [len(block) for block in blocks] == [len(wanted[i : i + size]) for i in range(0, len(wanted), size)]
    assert relative_error(torch.cat(blocks), factual_rows(base, rows)[wanted]) < FLOAT32
    assert list(rows.blocks([])) == []


def test_chunks_by_length_hold_every_row_once_longest_first() -> None:
    base = tiny_masked_lm()
    rows = singles(base, 4)
    chunks = rows.by_length()
    order = [row for chunk in chunks for row in chunk]
    lengths = [len(tiny_pairs(base)[row].factual.ids) for row in order]
    assert sorted(order) == list(range(len(TRAIN)))
    assert lengths == sorted(lengths, reverse=True)
    assert [len(chunk) for chunk in chunks] == [4, 4, 3]
    assert all(len(chunk) == 1 for chunk in batches(base, 4).by_length())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_live_rows_are_float32_like_stored_ones(dtype: torch.dtype) -> None:
    base = tiny_masked_lm(dtype)
    assert {row.dtype for row in batches(base, 2).pair(0)} == {torch.float32}
    assert {row.dtype for row in singles(base, 2).pair(0)} == {torch.float32}
    assert {block.dtype for blocks in singles(base, 2).blocks([0, 1, 2]) for block in blocks} == {torch.float32}


def test_the_batch_table_has_a_row_for_each_batch_in_order() -> None:
    table = batch_table(TRAIN.sample(frac=1, random_state=0))
    assert tuple(table) == ROW_COLUMNS
    assert [sorted(ids) for ids in table["example_ids"]] == [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9], [10]]
    assert table["factual_class"].tolist() == ["female", "female", "male", "male", "plural"]
    assert table["alternative_class"].tolist() == ["male", "male", "female", "female", "plural"]
    assert table["position"].tolist() == [0, 1, 2, 3, 4]


def test_the_example_table_has_a_row_for_each_example() -> None:
    table = example_table(TRAIN)
    assert tuple(table) == ROW_COLUMNS
    assert table["example_ids"].tolist() == [[i] for i in TRAIN["id"]]
    assert table["factual_class"].tolist() == TRAIN["factual_class"].tolist()


def test_no_examples_make_an_empty_table() -> None:
    assert (len(batch_table(TRAIN[:0])), len(example_table(TRAIN[:0]))) == (0, 0)


def test_a_pair_that_is_too_long_for_one_of_its_tokens_is_dropped() -> None:
    base = tiny_masked_lm()
    base.too_long = "drop"
    long = "the " * (base.limit - 3) + "[MASK]"  # fits one token, not two
    table = pd.DataFrame({"id": [0, 1], "masked": [long, "a [MASK]"], "factual": "man", "alternative": "woman"})
    pairs = encode_pairs(base, table)
    assert [isinstance(pair, Pair) for pair in pairs] == [False, True]


@pytest.mark.parametrize(
    ("name", "text", "label", "same", "other"),
    [
        ("BERT", "then [MASK] said", "she", "SHE", "he"),
        ("BERT", "then [MASK] said", "she", "sh\u00e9", "he"),
        ("BERT classifier", "a cat", "male", "1", "female"),
    ],
)
def test_a_label_and_an_alternative_that_are_one_to_the_base_model_are_an_error_unless_they_are_the_same_text(
    name: str, text: str, label: str, same: str, other: str
) -> None:
    base = family(name)
    table = pd.DataFrame({"id": [3, 4], "masked": text, "factual": label, "alternative": [other, same]})
    with pytest.raises(GradiendError, match=rf"example 4 \(.*\): label '{label}' and its alternative .* are the same"):
        encode_pairs(base, table)
    identity = table.assign(alternative=[other, label])
    assert [isinstance(pair, Pair) for pair in encode_pairs(base, identity)] == [True, True]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_of_which_a_target_class_is_dropped_as_a_whole_is_an_error(split: str) -> None:
    base, settings = tiny_masked_lm(), CacheGradients(base_model_settings(too_long="drop"), None, False, 0)
    base.too_long = "drop"
    capture, examples = Capture(base, random_space(base, 0.2)), tiny_examples()

    def rows_without(name: str) -> LiveRows:
        own = (examples["split"] == split) & (examples["factual_class"] == name)
        long = examples.assign(masked=examples["masked"].mask(own, "the " * 40 + "[MASK]"))
        return split_rows(settings, base, capture, long, split, 32)

    with pytest.raises(GradiendError, match=rf"^{split}: no example of class 'male' is left: \d are too long for the"):
        rows_without("male")
    assert rows_without("plural").dropped == 1  # which is no target class
