"""GRADIENDs in the format of the paper's own package; the slow tests compare with that package itself."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import random_space, save_tiny_model, tiny_masked_lm, whole_space

from gradiend.errors import GradiendError
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.trainer.creation import create_model_with_gradiend
from gradiend.trainer.model_with_gradiend import ModelWithGradiend

pytestmark = pytest.mark.xdist_group("aieng-lab")

PACKAGE = "gradiend==0.2.3"
SCRIPT = Path(__file__).parent / "aieng_lab_script.py"
TEXTS = ["the old nurse came home today and [MASK] was happy .", "the king said [MASK] ."]
CONFIG = GradiendConfig(("female", "male"), normalized=True)


def small_model(share: float = 0.3, **changes: Any) -> GradiendModel:
    """A GRADIEND over some entries of the tiny model."""
    base = tiny_masked_lm()
    space = whole_space(base) if share == 1 else random_space(base, share)
    return GradiendModel(space, dataclasses.replace(CONFIG, **changes)).initialise(3)


def encoded(model: GradiendModel) -> torch.Tensor:
    rows = torch.randn(4, model.space.input_dim, generator=torch.Generator().manual_seed(0))
    return model.encode(rows)


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("share", [1, 0.3, 0.001])
@pytest.mark.parametrize("changes", [{}, {"latent_dim": 2, "bias_decoder": False, "source": "diff"}])
def test_what_is_written_is_read_again(tmp_path: Path, share: float, changes: dict[str, Any]) -> None:
    model = small_model(share, **changes)
    model.save_pretrained(tmp_path / "theirs", format="aieng-lab")
    again = GradiendModel.from_pretrained(tmp_path / "theirs")
    assert again.space.digest == model.space.digest
    assert torch.equal(encoded(again), encoded(model))
    assert torch.equal(again.update(1.0), model.update(1.0))
    names = ("target_classes", "source", "target", "latent_dim", "bias_decoder", "activation_decoder")
    assert all(vars(again.config)[name] == vars(model.config)[name] for name in names)


def test_entries_in_any_order_are_put_in_ours(tmp_path: Path) -> None:
    model = small_model()
    model.save_pretrained(tmp_path, format="aieng-lab")
    indices, weights = load_file(tmp_path / "mapping_indices.safetensors"), load_file(tmp_path / "model.safetensors")
    entry = next(e for e in json.loads((tmp_path / "config.json").read_text())["mapping"]["param_map"] if "key" in e)
    where = model.space.slices[entry["name"]]
    order = torch.arange(model.space.input_dim)
    order[where] = order[where].flip(0)
    indices[entry["key"]] = indices[entry["key"]].flip(0).contiguous()
    weights["encoder.0.linear.weight"] = weights["encoder.0.linear.weight"][:, order].contiguous()
    for name in ("weight", "bias"):
        weights[f"decoder.0.linear.{name}"] = weights[f"decoder.0.linear.{name}"][order].contiguous()
    save_file(indices, tmp_path / "mapping_indices.safetensors")
    save_file(weights, tmp_path / "model.safetensors")
    again = GradiendModel.from_pretrained(tmp_path)
    assert again.space.digest == model.space.digest
    assert torch.equal(encoded(again), encoded(model))
    assert torch.equal(again.update(-1.0), model.update(-1.0))


def test_a_gradiend_that_encodes_the_first_class_to_minus_one_says_so(tmp_path: Path) -> None:
    small_model(normalized=False, correlation=-0.9).save_pretrained(tmp_path, format="aieng-lab")
    assert GradiendModel.from_pretrained(tmp_path).config.target_classes == ("male", "female")


def test_what_earlier_versions_wrote_is_read(tmp_path: Path) -> None:
    model = small_model()
    model.save_pretrained(tmp_path, format="aieng-lab")
    weights = load_file(tmp_path / "model.safetensors")
    save_file({name.replace(".linear", ""): tensor for name, tensor in weights.items()}, tmp_path / "model.safetensors")
    edit(tmp_path / "gradiend_context.json", source="factual", feature_class_encoding_direction=None)
    (tmp_path / "training.json").write_text('{"training_args": {"source": "diff"}}')
    again = GradiendModel.from_pretrained(tmp_path)
    assert torch.equal(encoded(again), encoded(model))
    assert (again.config.source, again.config.target_classes) == ("diff", ("+1", "-1"))


def test_no_pickle_is_read(tmp_path: Path) -> None:
    small_model().save_pretrained(tmp_path, format="aieng-lab")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(GradiendError, match="is a pickle file"):
        GradiendModel.from_pretrained(tmp_path)


def test_no_pickle_of_the_mapping_is_read(tmp_path: Path) -> None:
    small_model().save_pretrained(tmp_path, format="aieng-lab")
    mapping = json.loads((tmp_path / "config.json").read_text())["mapping"]
    edit(tmp_path / "config.json", mapping=mapping | {"indices_file": "mapping_indices.pth"})
    with pytest.raises(GradiendError, match=r"mapping_indices\.pth: is a pickle file"):
        GradiendModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mapping": None}, "config.json: not the config of a GRADIEND"),
        ({"architecture": {}}, "config.json: not the config of a GRADIEND"),
        ({"architecture": {"activation_encoder": "id"}}, "'id' is a layer normalisation there"),
        (
            {"mapping": {"param_map": [{"name": "a", "shape": [2], "repr": "some"}]}},
            "unknown representation 'some' of a",
        ),
        ({"mapping": {"param_map": [{"name": "a", "shape": [2], "repr": "all"}]}}, "the mapping 2: files of two GRADI"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    small_model().save_pretrained(tmp_path, format="aieng-lab")
    edit(tmp_path / "config.json", **changes)
    with pytest.raises(GradiendError, match=message):
        GradiendModel.from_pretrained(tmp_path)


def test_nothing_of_the_users_is_replaced(tmp_path: Path) -> None:
    model = small_model()
    model.save_pretrained(tmp_path / "own", format="aieng-lab")
    model.save_pretrained(tmp_path / "own", format="aieng-lab")
    (tmp_path / "own" / "notes.txt").touch()
    with pytest.raises(GradiendError, match=r"holds 'notes\.txt'"):
        model.save_pretrained(tmp_path / "own", format="aieng-lab")


def test_an_encoder_activation_that_means_something_else_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match="activation_encoder: 'id' is a layer normalisation"):
        small_model(activation_encoder="id").save_pretrained(tmp_path / "own", format="aieng-lab")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """A folder in which that package has written GRADIENDs of its own and read one of ours."""
    home = pytestconfig.cache.mkdir("aieng-lab") if pytestconfig.cache else tmp_path_factory.mktemp("package")
    if not (home / "gradiend").is_dir():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(home), PACKAGE]
        result = subprocess.run(install, capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"{PACKAGE} cannot be had: {result.stderr.strip().splitlines()[-1]}")
    folder = tmp_path_factory.mktemp("theirs")
    save_tiny_model(folder / "model")
    create = create_model_with_gradiend(folder / "model", param_map=["bert.encoder.*", "bert.embeddings.*"])
    order = torch.randperm(create.gradiend.space.input_dim, generator=torch.Generator().manual_seed(1))
    create.gradiend = create.gradiend.select(order[:700].sort().values)
    create.save_pretrained(folder / "ours", format="aieng-lab")
    command = [sys.executable, str(SCRIPT), str(folder), str(folder / "ours")]
    environment = os.environ | {"PYTHONPATH": str(home), "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["whole", "masks", "indices", "ours"])
def test_both_packages_encode_and_rewrite_alike(theirs: Path, name: str) -> None:
    model, found = ModelWithGradiend.from_pretrained(theirs / name), load_file(theirs / f"{name}.safetensors")
    assert (found["encoded"] - model.gradiend.encode(found["rows"])).abs().max() < 1e-6
    assert abs(found["texts"].numpy() - model.encode(TEXTS, ["she", "he"])).max() < 1e-6
    rewritten = dict(model.rewrite_base_model(0.5, -1.0).named_parameters())
    assert all(torch.allclose(found[key], tensor, atol=1e-6, rtol=0) for key, tensor in rewritten.items())
    before = dict(model.base_model.named_parameters())
    assert any(not torch.equal(tensor, before[key]) for key, tensor in rewritten.items())
    assert model.gradiend.config.source == "alternative"
    assert model.gradiend.config.target_classes == (("first", "second") if name == "ours" else ("female", "male"))
