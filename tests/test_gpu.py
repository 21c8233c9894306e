"""On a GPU: the same numbers as on the CPU, to rounding. Skipped where there is none."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from families import CAUSAL, CLASSIFIERS, MASKED, SEQ2SEQ, family
from tiny import (
    autograd_rows,
    random_space,
    relative_error,
    save_learnt_model,
    story_examples,
    story_neutral,
    tiny_pairs,
)
from trainers import CLASSES, SETTINGS

from gradiend import DecoderConfig, TextPredictionTrainer, TrainingArguments
from gradiend.devices import memory_hint
from gradiend.gradients.capture import Capture
from gradiend.probabilities import ClassProbabilities

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
FAMILIES = [*MASKED, *CAUSAL, *SEQ2SEQ, *CLASSIFIERS]
HALF = {torch.bfloat16: 0.1, torch.float16: 0.02}


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_on_a_gpu_equal_float64_autograd_on_the_cpu(name: str) -> None:
    exact, base = family(name, torch.float64), family(name)
    space, pairs = random_space(exact, 0.2), tiny_pairs(exact)
    slots = [pair.factual for pair in pairs]
    true = autograd_rows(exact, space, slots)
    base.model.to("cuda")
    found = Capture(base, space).example_rows(pairs)[0]
    plain = autograd_rows(base, space, slots)
    assert found.device.type == "cuda"
    assert relative_error(found.cpu(), true) < max(5e-6, 1.5 * relative_error(plain.cpu(), true))


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_rows_in_half_precision_are_as_close_to_float32_as_autograds_own(name: str, dtype: torch.dtype) -> None:
    half, base = family(name, dtype), family(name)
    base.model.load_state_dict(half.model.state_dict())  # the same weights, rounded
    space, pairs = random_space(base, 0.2), tiny_pairs(base)
    true = Capture(base, space).example_rows(pairs)[0]
    half.model.to("cuda")
    found = Capture(half, space).example_rows(pairs)[0].cpu()
    plain = autograd_rows(half, space, [pair.factual for pair in pairs]).cpu()
    assert bool(found.isfinite().all())
    assert relative_error(found, true) < max(HALF[dtype], 1.5 * relative_error(plain, true))


def trained(folder: Path, device: str, **changes: Any) -> TextPredictionTrainer:
    """A small experiment of its own, with all its results."""
    save_learnt_model(folder / "model")
    arguments = {"experiment_dir": folder / "out", "device": device, "keep_seed_runs": True, **SETTINGS, **changes}
    trainer = TextPredictionTrainer(
        str(folder / "model"),
        story_examples(),
        eval_neutral_data=story_neutral(),
        target_classes=CLASSES,
        training_args=TrainingArguments(**arguments),
        decoder=DecoderConfig(learning_rates=[0.3, 0.1, 0.03, 0.01]),
    )
    trainer.train()
    trainer.report()
    return trainer


@pytest.mark.parametrize("cached", [True, False])
def test_an_experiment_on_a_gpu_gives_the_numbers_of_the_cpu(tmp_path: Path, cached: bool) -> None:
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for device in ("cpu", "cuda"):
        trained(tmp_path / device, device, use_cached_gradients=cached)
        out = tmp_path / device / "out"
        tables[device] = {
            name: pd.read_parquet(out / name) for name in ("encoder/encodings.parquet", "decoder/grid.parquet")
        }
    for name, own in tables["cpu"].items():
        pd.testing.assert_frame_equal(tables["cuda"][name], own, rtol=1e-3, atol=1e-4)


def test_a_probability_on_a_gpu_is_that_of_the_cpu_at_any_batch_size() -> None:
    forms = {"female": {"she"}, "male": {"he"}}
    measured = []
    for device, size in (("cpu", 1), ("cuda", 1), ("cuda", 64)):
        base = family("GPT-2")
        base.model.to(device)
        measured.append(
            ClassProbabilities(
                base, story_examples().assign(id=range(len(story_examples()))), forms, CLASSES, size
            ).measure()
        )
    for found in measured[1:]:
        assert found == pytest.approx(measured[0], rel=1e-5)


def test_a_full_gpu_says_what_to_lower() -> None:
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(2**45, dtype=torch.uint8, device="cuda")
    assert "out of GPU memory: lower training_arguments.eval_batch_size" in str(memory_hint(caught.value))
