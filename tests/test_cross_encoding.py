"""Cross-encoding: every encoder on the examples of every run, against autograd in the encoder's own space."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from tiny import (
    autograd_rows,
    base_model_settings,
    random_space,
    save_tiny_model,
    tiny_examples,
    tiny_masked_lm,
    tiny_pairs,
    whole_space,
)

from gradiend.cross_encoding import NO_ENCODER, cross_classes, cross_correlations
from gradiend.encoders import Encoder, load_encoders
from gradiend.errors import GradiendError
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.settings import CacheGradients, CrossEncode
from gradiend.stages.cross_encode import run
from gradiend.stages.gather_encoders import run as gather

CLASSES = ("female", "male")
SHARES = {"small": 0.05, "large": 0.4, "turned": 0.2, "diff": 0.1, "decoder": 0.1}
CONFIGS: dict[str, dict[str, Any]] = {
    "small": {"source": "factual", "normalized": True},
    "large": {"source": "alternative", "normalized": True},
    "turned": {"source": "alternative", "normalized": False, "correlation": -0.7},
    "diff": {"source": "diff", "normalized": True, "latent_dim": 2, "latent": 1},
    "decoder": {"supervised": "decoder"},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """GRADIENDs over different kept entries of one base model; one is over all entries of two parameters."""
    base, folder = tiny_masked_lm(), tmp_path_factory.mktemp("models")
    paths = {}
    for seed, name in enumerate(CONFIGS):
        whole = whole_space(base)
        order = torch.randperm(whole.input_dim, generator=torch.Generator().manual_seed(seed))
        space = whole.select(order[: round(SHARES[name] * whole.input_dim)].sort().values)
        model = GradiendModel(space, GradiendConfig(CLASSES, **CONFIGS[name])).initialise(seed)
        paths[name] = folder / name
        model.save_pretrained(paths[name])
    return paths


@pytest.fixture(scope="module")
def encoded(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("encoded")
    tiny_examples().to_parquet(folder / "examples.parquet")
    settings = cross_settings(save_tiny_model(folder / "base"), list(models))
    files: dict[str, Any] = {"examples": folder / "examples.parquet", "out": folder / "run.parquet"}
    gather(runs=list(models), models=list(models.values()), out=folder / "encoders.safetensors")
    files["encoders"] = folder / "encoders.safetensors"
    line = run(settings=settings, name="diff", eval_batch_size=2, **files)
    assert line.startswith("cross_encode: 5 test examples of diff by 4 encoders, in ")
    return pd.read_parquet(files["out"])


def cross_settings(base: Path, runs: list[str], **changes: Any) -> CrossEncode:
    rows = CacheGradients(base_model_settings(base), evaluation_max_size=None, encoder_eval_balance=False, seed=0)
    own: dict[str, Any] = {"target_classes": list(CLASSES), "max_size": None, "encoder_eval_balance": False, "seed": 0}
    return CrossEncode(dict.fromkeys(runs, ""), rows, **(own | changes))


def test_every_encoder_encodes_its_own_gradient_in_its_own_space(
    models: dict[str, Path], encoded: pd.DataFrame
) -> None:
    base = tiny_masked_lm()
    test = tiny_examples().query("split == 'test'")
    pairs = tiny_pairs(base, test)
    for name in set(models) - {"decoder"}:
        model = GradiendModel.from_pretrained(models[name])
        own = encoded[encoded["encoder"] == name].set_index("example_id").loc[test["id"]]
        factual = autograd_rows(base, model.space, [pair.factual for pair in pairs]).double()
        alternative = autograd_rows(base, model.space, [pair.alternative for pair in pairs]).double()
        rows = {"factual": factual, "alternative": alternative, "diff": factual - alternative}[model.config.source]
        latent = model.config.latent
        weight, bias = model.encoder.weight.detach().double()[latent], float(model.encoder.bias.detach()[latent])
        wanted = np.tanh(rows.numpy() @ weight.numpy() + bias) * (-1 if name == "turned" else 1)
        assert own["encoded"].to_numpy() == pytest.approx(wanted, abs=1e-5)
        spoken = test["alternative_class" if model.config.source == "alternative" else "factual_class"]
        assert own["spoken_class"].tolist() == spoken.tolist()
        assert own["label"].tolist() == [{"female": 1.0, "male": -1.0}.get(name, 0.0) for name in spoken]


def test_an_encoder_that_is_not_trained_has_no_lines_and_its_correlations_a_reason(encoded: pd.DataFrame) -> None:
    assert "decoder" not in set(encoded["encoder"])
    table = cross_correlations({"run": encoded}, {"decoder": NO_ENCODER}).set_index("encoder")
    assert np.isnan(table.loc["decoder", "correlation"])
    assert table.loc["decoder", "reason"] == NO_ENCODER


def test_correlations_and_means_are_those_of_scipy_and_pandas(encoded: pd.DataFrame) -> None:
    correlations = cross_correlations({"run": encoded}, {}).set_index("encoder")["correlation"]
    classes = cross_classes({"run": encoded}).set_index(["encoder", "class"])
    for name, own in encoded.groupby("encoder"):
        assert correlations[name] == pytest.approx(stats.pearsonr(own["encoded"], own["label"]).statistic)
        for spoken, values in own.groupby("spoken_class")["encoded"]:
            assert classes.loc[(name, spoken), "mean"] == pytest.approx(values.mean())
            assert classes.loc[(name, spoken), "n"] == len(values)


def test_the_labels_are_those_of_the_run_whose_examples_they_are(models: dict[str, Path], tmp_path: Path) -> None:
    tiny_examples().to_parquet(tmp_path / "examples.parquet")
    settings = cross_settings(save_tiny_model(tmp_path / "base"), ["small"], target_classes=["male", "plural"])
    files: dict[str, Any] = {"examples": tmp_path / "examples.parquet", "out": tmp_path / "run.parquet"}
    gather(runs=["small"], models=[models["small"]], out=tmp_path / "encoders.safetensors")
    run(settings=settings, name="small", encoders=tmp_path / "encoders.safetensors", **files)
    found = pd.read_parquet(files["out"]).set_index("factual_class")["label"]
    assert set(found["male"]) == {1.0} and set(found["female"]) == {0.0}


def test_encoders_of_another_base_model_are_left_out(models: dict[str, Path], tmp_path: Path) -> None:
    space = random_space(tiny_masked_lm(), 0.1)
    foreign = type(space)(space.shapes, space.kept, {"base_model": "another"})
    GradiendModel(foreign, GradiendConfig(CLASSES)).initialise(0).save_pretrained(tmp_path / "foreign")
    tiny_examples().to_parquet(tmp_path / "examples.parquet")
    out = tmp_path / "encoders.safetensors"
    gather(runs=["small", "foreign"], models=[models["small"], tmp_path / "foreign"], out=out)
    files: dict[str, Any] = {"examples": tmp_path / "examples.parquet", "out": tmp_path / "run.parquet"}
    settings = cross_settings(save_tiny_model(tmp_path / "base"), ["small", "foreign"])
    run(settings=settings, name="small", encoders=out, **files)
    assert set(pd.read_parquet(files["out"])["encoder"]) == {"small"}


def test_encoders_come_back_as_they_were(models: dict[str, Path], tmp_path: Path) -> None:
    gather(runs=list(models), models=list(models.values()), out=tmp_path / "encoders.safetensors")
    found = load_encoders(tmp_path / "encoders.safetensors")
    for name, folder in models.items():
        wanted = Encoder.of(GradiendModel.from_pretrained(folder))
        assert torch.equal(found[name].weight, wanted.weight)
        assert found[name].about == wanted.about
        assert found[name].space.digest == wanted.space.digest
        assert found[name].space.about == wanted.space.about


def test_wrong_files_and_names_are_named(models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "encoders.safetensors"
    with pytest.raises(GradiendError, match="1 --models and 2 --runs: give one of each per run"):
        gather(runs=["a", "b"], models=[models["small"]], out=out)
    gather(runs=["small"], models=[models["small"]], out=out)
    files: dict[str, Any] = {"examples": tmp_path / "examples.parquet", "out": tmp_path / "run.parquet"}
    with pytest.raises(GradiendError, match=r"no encoder of the run 'smal' \(did you mean 'small'\?\)"):
        run(settings=cross_settings(tmp_path, ["small"]), name="smal", encoders=out, **files)
    with pytest.raises(GradiendError, match=r"no encoder of the run 'other' \(known: small\)"):
        run(settings=cross_settings(tmp_path, ["small", "other"]), name="small", encoders=out, **files)
    out.write_bytes(b"no")
    with pytest.raises(GradiendError, match=r"encoders\.safetensors: not a readable file of encoders"):
        load_encoders(out)
