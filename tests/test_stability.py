"""Stability of the seeds of one run: only the converged ones are compared, and where there are too few it says so."""

import dataclasses
import math
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
import torch
from comparable import entries, gradiend

from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json
from gradiend.model import GradiendModel
from gradiend.settings import MeasureStability
from gradiend.stages.measure_stability import run

SETTINGS = MeasureStability("correlation", 0.5, 2, 3, 6)


def seeds(**config: Any) -> dict[int, GradiendModel]:
    """Four seeds over the same kept entries."""
    space = gradiend(0).space
    return {seed: GradiendModel(space, gradiend(0, **config).config).initialise(seed) for seed in (3, 4, 5, 6)}


def written(folder: Path, correlations: dict[int, float | None], **config: Any) -> dict[str, list[Path]]:
    """The folders and evaluations of some seeds, the last seed first."""
    models = seeds(**config)
    for seed, correlation in correlations.items():
        training = {"seed": seed, "loss": seed / 10, "training_score": correlation}
        models[seed].save_pretrained(folder / str(seed) / "model", training)
        evaluation = {"seed": seed, "correlation": correlation, "loss": seed / 10, "reason": None, "n": 12}
        evaluation |= {
            "training_score": correlation,
            "classes": {"a": {"mean": correlation, "n": 6}},
            "interval": [0.1, correlation],
        }
        write_json(folder / str(seed) / "evaluation.json", evaluation)
    order = sorted(correlations, reverse=True)
    return {
        "configs": [folder / str(seed) / "model" / "config.json" for seed in order],
        "evaluations": [folder / str(seed) / "evaluation.json" for seed in order],
    }


def measured(folder: Path, files: dict[str, list[Path]], settings: MeasureStability = SETTINGS) -> tuple[str, Any]:
    out = {"out": folder / "stability.json", "figure": folder / "stability.svg"}
    line = run(settings=settings, **files, **out)
    assert (folder / "stability.svg").read_text().startswith("<svg")
    return line, read_json(out["out"])


def test_the_converged_seeds_are_compared_pair_by_pair(tmp_path: Path) -> None:
    files = written(tmp_path, {3: 0.9, 4: 0.2, 5: 0.7, 6: 0.8})
    line, content = measured(tmp_path, files)
    assert (content["converged"], content["tried"], content["reason"]) == ([3, 5, 6], [3, 4, 5, 6], None)
    models, found = seeds(), {}
    for pair in content["pairs"]:
        one, other = models[pair["seed"]], models[pair["other"]]
        first, second = (model.decoder.weight.detach().double().numpy()[:, 0] for model in (one, other))
        tops = [{entries(one)[i] for i in np.argsort(-abs(weights))[:6]} for weights in (first, second)]
        assert pair["common"] == len(tops[0] & tops[1])
        assert pair["overlap"] == len(tops[0] & tops[1]) / 6
        cosine = first @ second / math.sqrt((first @ first) * (second @ second))
        assert pair["cosine"] == pytest.approx(cosine, abs=1e-6)
        found[pair["seed"], pair["other"]] = pair["cosine"]
    assert list(found) == [(3, 5), (3, 6), (5, 6)]
    assert content["cosine"]["mean"] == pytest.approx(mean(found.values()))
    assert content["cosine"]["lowest"] == min(found.values())
    assert f"3 seeds, overlap of the top 6 {content['overlap']['mean']:.3f}" in line


def test_models_in_another_order_than_their_evaluations_are_refused(tmp_path: Path) -> None:
    files = written(tmp_path, {3: 0.9, 5: 0.7})
    with pytest.raises(GradiendError, match=r"evaluation\.json: its seed is 5, that of .*training\.json is 3: give"):
        measured(tmp_path, files | {"configs": files["configs"][::-1]})


def test_every_number_has_mean_and_sample_standard_deviation_over_the_converged_seeds(tmp_path: Path) -> None:
    _, content = measured(tmp_path, written(tmp_path, {3: 0.9, 4: 0.2, 5: 0.7, 6: 0.8}))
    metrics = content["metrics"]
    assert set(metrics) == {
        "correlation",
        "loss",
        "training_score",
        "n",
        "classes.a.mean",
        "classes.a.n",
        "interval.0",
        "interval.1",
    }
    assert metrics["correlation"] == {
        "n": 3,
        "mean": pytest.approx(0.8),
        "std": pytest.approx(stdev([0.9, 0.7, 0.8])),
    }
    assert metrics["loss"]["mean"] == pytest.approx(mean([0.3, 0.5, 0.6]))


@pytest.mark.parametrize(("correlations", "count"), [({3: 0.9, 4: 0.2}, 1), ({3: None, 4: 0.2}, 0)])
def test_fewer_than_two_converged_seeds_are_a_reason(
    tmp_path: Path, correlations: dict[int, float | None], count: int
) -> None:
    line, content = measured(tmp_path, written(tmp_path, correlations))
    assert content["reason"] == f"{count} of 2 tried seeds converged: two are needed to compare them"
    assert (content["pairs"], content["overlap"], content["cosine"]) == ([], None, None)
    assert content["reason"] in line
    assert (content["metrics"].get("correlation", {}).get("std")) is None


def test_untrained_decoders_are_not_compared_but_the_metrics_are(tmp_path: Path) -> None:
    _, content = measured(tmp_path, written(tmp_path, {3: 0.9, 5: 0.7}, supervised="encoder"))
    assert content["reason"] == "supervised_encoder: the decoder is not trained"
    assert content["pairs"] == []
    assert content["metrics"]["correlation"]["mean"] == pytest.approx(0.8)


def test_by_loss_the_seeds_below_the_threshold_are_compared(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, convergent_metric="loss", convergent_score_threshold=0.45)
    _, content = measured(tmp_path, written(tmp_path, {3: 0.1, 4: None, 5: 0.9}), settings)
    assert content["converged"] == [3, 4]
    assert content["metrics"]["correlation"]["n"] == 1


def test_a_seed_that_points_the_other_way_is_turned_by_its_sign(tmp_path: Path) -> None:
    files = written(tmp_path, {3: 0.9, 5: 0.8})
    model = seeds(normalized=False, correlation=-0.9)[3]
    with torch.no_grad():
        for parameter in (model.encoder.weight, model.encoder.bias, model.decoder.weight):
            parameter.neg_()
    model.save_pretrained(tmp_path / "3" / "model", read_json(tmp_path / "3" / "model" / "training.json"))
    turned = measured(tmp_path, files)[1]["pairs"][0]
    straight = measured(tmp_path, written(tmp_path, {3: 0.9, 5: 0.8}))[1]["pairs"][0]
    assert turned["cosine"] == pytest.approx(straight["cosine"])
