"""The gradient stage in several jobs."""

from collections import Counter
from pathlib import Path

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
