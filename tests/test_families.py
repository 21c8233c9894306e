"""Every architecture: rows are autograd's, no head parameter is in the space, and batches do not matter."""

from pathlib import Path

import pytest
import torch
from families import CAUSAL, CLASSIFIERS, MASKED, SEQ2SEQ, family
from tiny import autograd_rows, random_space, relative_error, tiny_pairs, whole_space

from gradiend.gradients.capture import Capture

FAMILIES = [*MASKED, *CAUSAL, *SEQ2SEQ, *CLASSIFIERS]
DOCS = Path(__file__).parent.parent / "docs" / "models.md"
HALF = {torch.bfloat16: 0.1, torch.float16: 0.02}  # relative error of the worst row of a model that is no T5
ROUNDED = {"Gemma": 1e-7}  # its norms compute, and sum their gradients, in float32 whatever the type of the model


@pytest.mark.parametrize("share", [1.0, 0.1])
@pytest.mark.parametrize("name", FAMILIES)
def test_rows_equal_float64_autograd(name: str, share: float) -> None:
    base = family(name, torch.float64)
    space = whole_space(base) if share == 1 else random_space(base, share)
    pairs = tiny_pairs(base)
    found = Capture(base, space).example_rows(pairs)
    for rows, slots in zip(found, ([p.factual for p in pairs], [p.alternative for p in pairs]), strict=True):
        assert relative_error(rows, autograd_rows(base, space, slots)) < ROUNDED.get(name, 1e-12)


@pytest.mark.parametrize("name", FAMILIES)
def test_float32_rows_are_as_good_as_float32_autograd(name: str) -> None:
    base, exact = family(name), family(name, torch.float64)
    space = random_space(base, 0.1)
    pairs = tiny_pairs(base)
    (found, _), slots = Capture(base, space).example_rows(pairs), [pair.factual for pair in pairs]
    true, plain = autograd_rows(exact, space, slots), autograd_rows(base, space, slots)
    assert relative_error(found, true) < max(3e-6, 1.5 * relative_error(plain, true))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_space_holds_the_backbone_and_no_head(name: str) -> None:
    base = family(name)
    names = dict(base.pretrained.named_parameters())
    assert set(base.parameters()) <= set(names)
    assert all(name.startswith(base.prefix) for name in base.parameters())
    assert not any("lm_head" in name or "predictions" in name or "vocab_" in name for name in base.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_do_not_depend_on_the_batch(name: str) -> None:
    base = family(name, torch.float64)
    space, pairs = random_space(base, 0.2), tiny_pairs(base)
    capture = Capture(base, space)
    together, _ = capture.example_rows(pairs)
    alone = torch.cat([capture.example_rows([pair])[0] for pair in pairs])
    batch_row = capture.batch_row(pairs)[0][None]
    assert relative_error(together, alone) < ROUNDED.get(name, 1e-12)
    assert relative_error(batch_row, alone.mean(0, keepdim=True)) < 1e-6  # norms and rotations in float32


@pytest.mark.parametrize("name", ["RoBERTa", "GPT-2", "T5", "BART"])
def test_the_targets_of_these_tests_are_of_one_and_of_several_tokens(name: str) -> None:
    assert len({len(pair.factual.targets) for pair in tiny_pairs(family(name))}) > 1


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_rows_in_half_precision_are_finite_and_as_close_to_float32_as_autograds_own(
    name: str, dtype: torch.dtype
) -> None:
    half, base = family(name, dtype), family(name)
    base.model.load_state_dict(half.model.state_dict())  # the same weights, rounded
    space, pairs = random_space(base, 0.2), tiny_pairs(base)
    true, (found, _) = Capture(base, space).example_rows(pairs)[0], Capture(half, space).example_rows(pairs)
    plain = autograd_rows(half, space, [pair.factual for pair in pairs])
    assert found.dtype == torch.float32 and bool(found.isfinite().all())
    assert relative_error(found, true) < max(HALF[dtype], 1.5 * relative_error(plain, true))


def test_the_table_of_families_in_the_docs_is_what_these_tests_run() -> None:
    lines = ["| family | architecture | objective | rows |", "|---|---|---|---|"]
    for name in FAMILIES:
        base = family(name)
        capture = Capture(base, random_space(base, 0.2))
        capture.example_rows(tiny_pairs(base)[:2])
        rows = "one example at a time" if capture.plain else "whole batches"
        lines.append(f"| {name} | `{type(base.pretrained).__name__}` | {base.objective} | {rows} |")
    table = "\n".join(lines)
    assert table in DOCS.read_text(encoding="utf-8"), f"docs/models.md should hold this table:\n\n{table}\n"
