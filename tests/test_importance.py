"""The importance of every entry, streamed, equals what the gradients of all examples give at once."""

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import CLASSES, SOURCES, autograd_rows, tiny_examples, tiny_masked_lm, tiny_pairs, whole_space
from torch import Tensor

from gradiend.backbones.masked_lm import MaskedLM
from gradiend.errors import GradiendError
from gradiend.gradients.importance import even_sample, importance
from gradiend.gradients.rows import source_of
from gradiend.labels import labels
from gradiend.space import ParameterSpace

KINDS = ("mean", "mean_abs", "signed_mean")
TRAIN = tiny_examples().query("split == 'train' and factual_class != 'plural'")[:-1]  # one class has one more


def measured(base: MaskedLM, source: str, kind: str, **options: int) -> tuple[ParameterSpace, Tensor]:
    """The importance of all entries as one vector, and their space."""
    space = whole_space(base)
    pairs, signs = tiny_pairs(base, TRAIN), labels(TRAIN, source, CLASSES).tolist()
    found = importance(base, list(space.shapes), pairs, signs, source=source, kind=kind, **options)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == dict(space.shapes)
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    return space, space.gather(found)


def by_hand(base: MaskedLM, source: str, kind: str) -> Tensor:
    space, pairs = whole_space(base), tiny_pairs(base, TRAIN)
    factual = autograd_rows(base, space, [pair.factual for pair in pairs])
    rows = source_of(factual, autograd_rows(base, space, [pair.alternative for pair in pairs]), source)
    if kind == "mean":
        return rows.mean(0).abs()
    if kind == "mean_abs":
        return rows.abs().mean(0)
    sign = [
        1 if spoken == "female" else -1
        for spoken in TRAIN["alternative_class" if source == "alternative" else "factual_class"]
    ]
    return (torch.tensor(sign)[:, None] * rows).mean(0).abs()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_importance_equals_brute_force(source: str, kind: str) -> None:
    base = tiny_masked_lm(torch.float64)
    _, found = measured(base, source, kind)
    true = by_hand(base, source, kind)
    assert float((found - true).norm() / true.norm()) < 1e-6
    torch.testing.assert_close(found.double(), true, rtol=1e-4, atol=1e-6 * float(true.max()))


@pytest.mark.parametrize("kind", KINDS)
def test_the_importance_does_not_depend_on_the_batch_size(kind: str) -> None:
    base = tiny_masked_lm()
    found = [measured(base, "diff", kind, batch_size=size)[1] for size in (1, 3, 100)]
    for other in found[1:]:
        assert float((other - found[0]).norm() / found[0].norm()) < 3e-6


def test_classes_in_balance_cancel_in_the_plain_mean_and_not_in_the_signed_one() -> None:
    base = tiny_masked_lm(torch.float64)
    mirrored = TRAIN.iloc[[0, 5]]
    assert mirrored["factual"].tolist() == ["she", "he"]
    pairs, signs = tiny_pairs(base, mirrored), labels(mirrored, "diff", CLASSES).tolist()
    names = list(base.parameters())
    found = {
        kind: sum(float(t.sum()) for t in importance(base, names, pairs, signs, source="diff", kind=kind).values())
        for kind in KINDS
    }
    assert found["mean"] < 1e-6 * found["signed_mean"]
    assert found["signed_mean"] == pytest.approx(found["mean_abs"])


def test_memory_is_one_vector_and_nothing_is_left_behind() -> None:
    base = tiny_masked_lm()
    held: list[int] = []

    def look(done: int) -> None:
        held.append(sum(parameter.grad is not None for parameter in base.model.parameters()))

    names = ["bert.encoder.layer.1.output.dense.weight", "bert.encoder.layer.0.output.dense.bias"]
    found = importance(
        base, names, tiny_pairs(base, TRAIN), [1.0] * 9, source="diff", kind="mean", batch_size=2, progress=look
    )
    assert held == [0] * 5
    assert list(found) == names
    for parameter in base.model.parameters():
        assert parameter.grad is None and not parameter.requires_grad
        assert not parameter._post_accumulate_grad_hooks


@pytest.mark.parametrize(("kind", "size", "expected"), [("mean", 4, [4, 4, 1]), ("mean_abs", 4, [1] * 9)])
def test_progress_counts_every_example_once(kind: str, size: int, expected: list[int]) -> None:
    base, done = tiny_masked_lm(), list[int]()
    names = ["bert.encoder.layer.1.output.dense.bias"]
    pairs = tiny_pairs(base, TRAIN)
    importance(base, names, pairs, [1.0] * 9, source="factual", kind=kind, batch_size=size, progress=done.append)
    assert done == expected


def test_an_importance_that_is_not_finite_names_its_parameter() -> None:
    base = tiny_masked_lm()
    base.parameters()["bert.encoder.layer.1.output.dense.bias"].data[0] = float("nan")
    with pytest.raises(GradiendError, match=r"importance of 'bert\..*' holds NaN or infinity"):
        measured(base, "diff", "mean")


def examples_of(first: int, second: int, identity: int = 0) -> pd.DataFrame:
    """Shuffled training examples of both transitions and identity ones, and as many validation examples."""
    classes = [("female", "male")] * first + [("male", "female")] * second + [("female", "female")] * identity
    table = pd.DataFrame(classes, columns=["factual_class", "alternative_class"])
    table = pd.concat([table.assign(split="train"), table.assign(split="validation")])
    return table.sample(frac=1, random_state=0).reset_index(drop=True).assign(id=range(2 * len(classes)))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 3), st.integers(1, 20), st.integers(0, 5))
def test_the_sample_is_exactly_even(first: int, second: int, identity: int, count: int, seed: int) -> None:
    sample = even_sample(examples_of(first, second, identity), CLASSES, count, seed)
    drawn = [int((sample["factual_class"] == name).sum()) for name in CLASSES]
    each = min(count // 2, first, second)
    odd = count % 2 and each == count // 2 and first > each
    assert drawn == [each + bool(odd), each]
    assert set(sample["split"]) <= {"train"}
    assert (sample["factual_class"] != sample["alternative_class"]).all()
    assert sample["id"].is_unique


def test_the_sample_is_drawn_from_its_seed() -> None:
    examples = examples_of(50, 50)
    drawn = [even_sample(examples, CLASSES, 10, seed)["id"].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    smaller = even_sample(examples, CLASSES, 4, 0)["id"].tolist()
    assert set(smaller) <= set(drawn[0])
