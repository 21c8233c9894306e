"""One training step, against autograd and torch's own optimisers."""

from typing import Any

import pytest
import torch
from torch import Tensor
from training_rows import FIRST, SECOND, train_settings

from gradiend import steps
from gradiend.gradients.rows import source_of
from gradiend.model import ACTIVATIONS, GradiendConfig, GradiendModel
from gradiend.space import ParameterSpace
from gradiend.steps import Step, value_and_slope

SOURCES = ("factual", "alternative", "diff")
SUPERVISED: list[dict[str, Any]] = [{"supervised_encoder": True}, {"supervised_decoder": True}]
CASES: list[dict[str, Any]] = [
    *({"source": source, "target": target} for source in SOURCES for target in SOURCES),
    *({"activation_encoder": name, "latent_dim": 2} for name in ACTIVATIONS),
    *({"activation_decoder": name, "latent_dim": 2} for name in ACTIVATIONS if name != "id"),
    {"latent_dim": 3, "source": "diff", "target": "diff"},
    {"latent_dim": 3, "bias_decoder": False, "target": "factual"},
    {"bias_decoder": False, "optim": "adam"},
    {"optim": "adam", "weight_decay": 0.3},
    *({"adam_epsilon": 1.0, "latent_dim": 2} | mode for mode in ({}, *SUPERVISED)),  # the scale of gradients counts
    *({"supervised_encoder": True, "latent_dim": k, "source": source} for k in (1, 2) for source in SOURCES),
    *({"supervised_decoder": True, "latent_dim": k, "target": target} for k in (1, 2) for target in SOURCES),
    {"supervised_decoder": True, "bias_decoder": False, "activation_decoder": "gelu"},
]


def case_name(case: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in case.items())


def new_model(size: int, case: dict[str, Any]) -> GradiendModel:
    own = {key: value for key, value in case.items() if key in GradiendConfig.__dataclass_fields__}
    supervised = next((mode for mode in ("encoder", "decoder") if case.get(f"supervised_{mode}")), None)
    space = ParameterSpace.of({"weight": torch.empty(size)})
    return GradiendModel(space, GradiendConfig((FIRST, SECOND), supervised=supervised, **own)).initialise(0)


def some_rows(size: int, count: int) -> list[tuple[Tensor, Tensor, float]]:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(count, 2, size, generator=generator)
    return [(factual, alternative, float(i % 3 - 1)) for i, (factual, alternative) in enumerate(drawn)]


def plain_loss(model: GradiendModel, factual: Tensor, alternative: Tensor, label: float) -> Tensor:
    """The loss by its definition, for autograd."""
    config = model.config
    labels = torch.full((config.latent_dim,), label)
    source, target = (source_of(factual, alternative, which) for which in (config.source, config.target))
    if config.supervised == "encoder":
        return ((model.encode(source) - labels) ** 2).mean()
    return ((model.decode(labels if config.supervised == "decoder" else model.encode(source)) - target) ** 2).mean()


def plain_training(model: GradiendModel, case: dict[str, Any], rate: float, rows: list[Any]) -> list[float]:
    """Autograd and torch.optim; the losses. Parameters without a gradient stay as they are."""
    settings = train_settings(**case)
    kind = torch.optim.AdamW if settings.optim == "adamw" else torch.optim.Adam
    optimiser = kind(model.parameters(), rate, eps=settings.adam_epsilon, weight_decay=settings.weight_decay)
    losses = []
    for row in rows:
        optimiser.zero_grad()
        loss = plain_loss(model, *row)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return losses


def relative_error(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def as_arguments(case: dict[str, Any]) -> dict[str, Any]:
    """The supervised decoder needs a loss as its metric."""
    if not case.get("supervised_decoder"):
        return case
    return case | {"convergent_metric": "loss", "convergent_score_threshold": 1.0}


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_steps_are_those_of_autograd_and_the_plain_optimiser(case: dict[str, Any]) -> None:
    size, rate, rows = 300, 3e-3, some_rows(300, 6)
    case = as_arguments(case)
    mine, plain, start = (new_model(size, case) for _ in range(3))
    step = Step(mine, train_settings(**case), rate)
    assert [step(*row) for row in rows] == pytest.approx(plain_training(plain, case, rate, rows), rel=1e-6)
    for found, wanted, before in zip(mine.parameters(), plain.parameters(), start.parameters(), strict=True):
        assert relative_error(found.detach(), wanted.detach()) < 1e-6
        assert torch.equal(found, before) == torch.equal(wanted, before)  # untrained parameters are untouched


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_the_block_size_changes_nothing(latent_dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case, rows = {"latent_dim": latent_dim, "activation_decoder": "silu"}, some_rows(300, 5)
    whole, blocks = new_model(300, case), new_model(300, case)
    step = Step(whole, train_settings(), 1e-2)
    monkeypatch.setattr(steps, "BLOCK", 64)
    step_in_blocks = Step(blocks, train_settings(), 1e-2)
    assert [step_in_blocks(*row) for row in rows] == pytest.approx([step(*row) for row in rows], rel=1e-6)
    for found, wanted in zip(blocks.parameters(), whole.parameters(), strict=True):
        assert relative_error(found.detach(), wanted.detach()) < 1e-6


@pytest.mark.parametrize("source", SOURCES)
def test_rows_are_not_changed(source: str) -> None:
    case, rows = {"source": source, "target": source, "latent_dim": 2}, some_rows(50, 1)
    factual, alternative, label = rows[0]
    before = factual.clone(), alternative.clone()
    Step(new_model(50, case), train_settings(**case), 0.1)(factual, alternative, label)
    assert torch.equal(factual, before[0])
    assert torch.equal(alternative, before[1])


def test_a_loss_that_is_not_finite_changes_no_weight() -> None:
    model, start = (new_model(20, {"target": "factual"}) for _ in range(2))
    row = torch.full((20,), 1e30)
    assert not Step(model, train_settings(), 0.1)(row, row, 1.0) < float("inf")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), start.parameters(), strict=True))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_those_of_central_differences(name: str) -> None:
    x, small = torch.tensor([-2.3, -0.6, 0.4, 1.7], dtype=torch.float64), 1e-6
    value, slope = value_and_slope(name, x)
    assert torch.equal(value, ACTIVATIONS[name](x))
    wanted = (ACTIVATIONS[name](x + small) - ACTIVATIONS[name](x - small)) / (2 * small)
    assert torch.allclose(slope, wanted, atol=1e-8)
