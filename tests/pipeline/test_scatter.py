"""The gradient stage, and the decoder's grid, in several jobs."""

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from experiment import Experiment

from gradiend.records import read_record

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("staleness")]  # whose worker has the finished experiment


def results(experiment: Experiment) -> dict[str, bytes]:
    """What comes after the rows."""
    names = ("seeds/seed_0/model/model.safetensors", "seeds/seed_0/evaluation.json")
    return {name: experiment.path(*name.split("/")).read_bytes() for name in names}


def test_a_missing_shard_is_made_alone_and_what_follows_is_the_same(finished: Experiment, tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path, shards=3)
    target = "out/seeds/seed_0/evaluation.json"
    assert experiment.planned()["cache_shard"] == 2
    experiment.run("out/gradients/test/shard-1.safetensors")
    assert not experiment.path("gradients", "test", "shard-0.safetensors").exists()
    output = experiment.run(target)
    assert "shard 0 of 3" in output and "shard 2 of 3" in output and "shard 1 of 3" not in output
    assert results(experiment) == results(finished)
    records = [experiment.path("records", f"cache_gradients{part}.json") for part in ("", "-1", "-2")]
    assert all(read_record(path) for path in records)
    text = records[1].read_text()
    records[1].write_text(text.replace('"code": "', '"code": "0'))
    assert experiment.planned()["cache_shard"] == 1 and experiment.planned()["cache_gradients"] == 0
    records[1].write_text(text)
    experiment.path("gradients", "train", "shard-2.safetensors").unlink()
    assert experiment.planned()["cache_shard"] == 1 and experiment.planned()["cache_gradients"] == 0
    assert experiment.stale(shards=1) == experiment.planned()
    experiment.path("gradients", "shards.json").unlink()
    assert experiment.stale(shards=1)["cache_gradients"] == 1
    assert Counter(cache_shard=3) <= experiment.stale(shards=4)


def test_shards_that_were_made_from_another_folder_since_are_not_made_again(tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path, shards=3)
    experiment.run("out/seeds/seed_0/evaluation.json")
    before = experiment.planned()
    assert before["cache_gradients"] == before["cache_shard"] == before["train"] - 1 == 0
    experiment.remember_others(rewritten=False)
    assert experiment.planned()["cache_shard"] == 2
    experiment.remember_others(rewritten=True)
    assert experiment.planned() == before


def of_decoder(experiment: Experiment) -> dict[str, bytes]:
    """What the choice tells; how many jobs measured for it is no part of it."""
    found = {path.name: path.read_bytes() for path in experiment.path("decoder").iterdir() if path.is_file()}
    return {name: content for name, content in found.items() if name != "shards.json"}


def test_a_grid_measured_by_several_jobs_gives_the_choice_of_one(finished: Experiment, tmp_path: Path) -> None:
    experiment = finished.copied_to(tmp_path / "copy")
    shutil.rmtree(experiment.path("decoder"))
    in_three: dict[str, Any] = {"decoder__shards": 3}
    after = Counter(evaluate_decoder=1, rewrite_model=1, report=1)
    assert experiment.stale(**in_three) == Counter(measure_candidates=3) + after
    experiment.run("out/decoder/measured-1.safetensors", config="changed.yaml")
    assert experiment.stale(**in_three) == Counter(measure_candidates=2) + after
    experiment.run(config="changed.yaml")
    assert of_decoder(experiment) == of_decoder(finished)
    log = experiment.path("logs", "evaluate_decoder.log").read_text()
    assert re.search(r"goes on after \d\d+ measurements", log)
    for shards in (1, 3, 5):
        assert experiment.stale(decoder__shards=shards) == {}, "a choice that is made stays, by however many jobs"
    assert experiment.stale(decoder__shards=5, decoder__lms_ratio=0.5) == Counter(measure_candidates=5) + after
    assert experiment.stale(decoder__lms_ratio=0.5) == after
