"""The GRADIEND itself: initial weights, encoding, updates, selection, and its folder."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from training_rows import FIRST, SECOND, small_space

from gradiend import __version__
from gradiend.errors import GradiendError
from gradiend.model import ACTIVATIONS, ODD_ACTIVATIONS, GradiendConfig, GradiendModel, made_by
from gradiend.space import ParameterSpace


def new_model(size: int | None = None, seed: int = 0, **config: Any) -> GradiendModel:
    space = small_space() if size is None else ParameterSpace.of({"weight": torch.empty(size)})
    return GradiendModel(space, GradiendConfig((FIRST, SECOND), **config)).initialise(seed)


def some_rows(count: int = 3) -> torch.Tensor:
    return torch.randn(count, small_space().input_dim, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("latent_dim", [1, 3])
def test_initial_weights_fill_their_bounds(latent_dim: int) -> None:
    size = 10_000
    model = new_model(size, latent_dim=latent_dim).requires_grad_(False)
    bound = 1 / math.sqrt(size)
    largest = float(model.encoder.weight.abs().max())
    assert 0.99 * bound < largest <= bound
    assert float(model.encoder.bias.abs().max()) <= bound
    for parameter in model.decoder.parameters():
        assert 0.99 * largest < float(parameter.abs().max()) <= largest
        assert abs(float(parameter.mean())) < 0.05 * largest


def test_initial_weights_are_those_of_the_seed() -> None:
    one, same, other = new_model(seed=1), new_model(seed=1), new_model(seed=2)
    assert torch.equal(one.encoder.weight, same.encoder.weight)
    assert torch.equal(one.decoder.bias, same.decoder.bias)
    assert not torch.equal(one.encoder.weight, other.encoder.weight)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_encoder_and_decoder_are_affine_maps_with_an_activation(activation: Any) -> None:
    model, rows = new_model(latent_dim=2, activation_encoder=activation, activation_decoder=activation), some_rows()
    function = ACTIVATIONS[activation]
    latents = function(rows @ model.encoder.weight.T + model.encoder.bias)
    assert torch.allclose(model.encode(rows), latents, atol=1e-6)
    assert torch.allclose(model(rows), function(latents @ model.decoder.weight.T + model.decoder.bias), atol=1e-6)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_odd_activations_are_exactly_those_that_change_sign_with_their_input(activation: str) -> None:
    x = torch.linspace(-3, 3, 61)
    odd = torch.allclose(ACTIVATIONS[activation](-x), -ACTIVATIONS[activation](x), atol=1e-6)
    assert odd == (activation in ODD_ACTIVATIONS)


def test_the_update_is_the_decoder_at_the_feature_factor_in_the_encoded_latent() -> None:
    model = new_model(latent_dim=3, latent=1)
    wanted = -0.5 * model.decoder.weight[:, 1] + model.decoder.bias
    assert torch.allclose(model.update(-0.5), wanted, atol=1e-7)
    assert not model.update(1.0).requires_grad


@pytest.mark.parametrize("bias", [True, False])
def test_select_then_update_equals_update_then_index(bias: bool) -> None:
    model, positions = new_model(latent_dim=2, bias_decoder=bias), torch.tensor([0, 3, 7, 20, 23])
    smaller = model.select(positions)
    assert torch.equal(smaller.update(0.7), model.update(0.7)[positions])
    assert smaller.space.digest == model.space.select(positions).digest
    assert smaller.config == model.config
    rows = some_rows()
    zeroed = torch.zeros_like(rows)
    zeroed[:, positions] = rows[:, positions]
    assert torch.allclose(smaller.encode(rows[:, positions]), model.encode(zeroed), atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, bias: bool) -> None:
    made = {"arguments": {"seed": 1}, "seed": 3}
    model = new_model(
        latent_dim=2, bias_decoder=bias, latent=1, correlation=0.5, normalized=True, supervised="encoder", made_by=made
    )
    model.save_pretrained(tmp_path / "model", training={"best_step": 5})
    loaded = GradiendModel.from_pretrained(tmp_path / "model")
    assert loaded.config == model.config
    assert loaded.space.digest == model.space.digest
    assert loaded.space.about == model.space.about
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))
    assert len(list(loaded.parameters())) == (4 if bias else 3)
    assert json.loads((tmp_path / "model/training.json").read_text()) == {"best_step": 5}
    assert json.loads((tmp_path / "model/config.json").read_text())["version"] == __version__


def test_saving_replaces_a_folder_as_a_whole(tmp_path: Path) -> None:
    new_model(seed=1).save_pretrained(tmp_path / "model", training={})
    new_model(seed=2).save_pretrained(tmp_path / "model")
    assert torch.equal(
        GradiendModel.from_pretrained(tmp_path / "model").encoder.weight, new_model(seed=2).encoder.weight
    )
    assert {path.name for path in tmp_path.iterdir()} == {"model"}
    assert not (tmp_path / "model/training.json").exists()


def test_saving_never_removes_what_is_not_of_a_gradiend(tmp_path: Path) -> None:
    new_model().save_pretrained(tmp_path / "precious")
    (tmp_path / "precious/thesis.tex").write_text("years")
    with pytest.raises(GradiendError, match=r"precious: holds 'thesis\.tex'"):
        new_model(seed=2).save_pretrained(tmp_path / "precious")
    assert (tmp_path / "precious/thesis.tex").read_text() == "years"


BROKEN = [
    ("config.json", None),
    ("config.json", ""),
    ("config.json", "[]"),
    ("config.json", "{}"),
    ("config.json", '{"target_classes": 3}'),
    ("config.json", '{"target_classes": ["a", "b"], "no_such_key": 1}'),
    ("space.safetensors", None),
    ("space.safetensors", ""),
    ("space.safetensors", "no safetensors"),
    ("model.safetensors", None),
    ("model.safetensors", ""),
    ("model.safetensors", "no safetensors"),
]


@pytest.mark.parametrize(("name", "content"), BROKEN)
def test_a_missing_or_broken_file_is_an_error_that_names_it(tmp_path: Path, name: str, content: str | None) -> None:
    folder = tmp_path / "model"
    new_model().save_pretrained(folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(GradiendError, match=str(folder / name)):
        GradiendModel.from_pretrained(folder)


WRONG = {
    "target_classes": (["a", "a"], "target_classes: ['a', 'a'] is wrong: should be two different classes"),
    "source": ("wrong", "source: 'wrong' is wrong: should be 'factual', 'alternative' or 'diff'"),
    "target": (None, "target: null is wrong: should be 'factual', 'alternative' or 'diff'"),
    "latent_dim": (0, "latent_dim: 0 is wrong: should be an integer >= 1"),
    "activation_encoder": ("tan", "activation_encoder: 'tan' is wrong: should be 'tanh', 'smht', 'id'"),
    "activation_decoder": (3, "activation_decoder: 3 is wrong: should be 'tanh', 'smht', 'id'"),
    "bias_decoder": ("perhaps", "bias_decoder: 'perhaps' is wrong: should be true or false"),
    "supervised": ("both", "supervised: 'both' is wrong: should be 'encoder' or 'decoder' or null"),
    "latent": (1, "latent: 1 is wrong: should be less than latent_dim, which is 1"),
    "normalized": (2, "normalized: 2 is wrong: should be true or false"),
    "correlation": (1.5, "correlation: 1.5 is wrong: should be a number in [-1, 1] or null"),
    "made_by": ("me", "made_by: 'me' is wrong: should be a mapping (key: value)"),
}


@pytest.mark.parametrize("key", WRONG)
@pytest.mark.parametrize("missing", [False, True])
def test_a_key_of_the_config_that_is_wrong_or_missing_is_named(tmp_path: Path, key: str, missing: bool) -> None:
    value, message = WRONG[key]
    new_model().save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text()) | {key: value}
    if missing:
        del content[key]
        message = f"{key}: is missing"
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(GradiendError, match=re.escape(f"config.json: not the config of a GRADIEND: {message}")):
        GradiendModel.from_pretrained(tmp_path)


def test_weights_of_another_size_are_an_error_that_names_the_folder(tmp_path: Path) -> None:
    new_model().save_pretrained(tmp_path / "one")
    new_model(latent_dim=2).save_pretrained(tmp_path / "two")
    (tmp_path / "two/model.safetensors").rename(tmp_path / "one/model.safetensors")
    with pytest.raises(GradiendError, match=str(tmp_path / "one")):
        GradiendModel.from_pretrained(tmp_path / "one")


def test_a_model_says_version_base_model_and_arguments() -> None:
    assert made_by(small_space(), '{"seed": 4}') == {
        "version": __version__,
        "base_model": "tiny",
        "arguments": {"seed": 4},
    }
