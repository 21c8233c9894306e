"""The calls of the stages: all of them, with the options that they have, in the folders of the pipeline."""

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from config_files import config

from gradiend.gradients.shards import record_shards
from gradiend.settings import STAGES
from gradiend.sharing import BEFORE
from gradiend.trainer.calls import Call, Calls
from gradiend.trainer.layout import OF_SEEDS, Layout

MADE_FROM = "0123456789ab"
OF_A_RUN = [stage for stage in STAGES if stage in BEFORE or stage in ("report", "measure_stability")]


def calls_of(**arguments: Any) -> dict[str, Call]:
    """One call of every stage."""
    own = config(**arguments)
    calls = Calls(own, Layout.of(own), lambda stage: MADE_FROM)
    seeds: dict[str, tuple[Any, ...]] = {
        "select_seed": ([0],),
        "measure_stability": ([0],),
        "report": ([0],),
        **dict.fromkeys(OF_SEEDS, (0,)),
    }
    return {stage: vars(Calls)[stage](calls, *seeds.get(stage, ())) for stage in OF_A_RUN}


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("stage", OF_A_RUN)
def test_a_call_has_just_the_options_of_its_stage(stage: str, cached: bool) -> None:
    call = calls_of(use_cached_gradients=cached)[stage]
    known = inspect.signature(importlib.import_module(f"gradiend.stages.{stage}").run).parameters
    given = {"settings", *call.reads, *call.writes, *call.options}
    assert given <= set(known)
    assert {name for name, one in known.items() if one.default is inspect.Parameter.empty} <= given


def test_every_stage_reads_only_what_stages_before_it_write() -> None:
    calls = calls_of(use_cached_gradients=True, pre_prune_config={"topk": 0.5})
    written = {path for call in calls.values() for path in call.writes.values()} | {Path("results/benchmarks")}
    for call in calls.values():
        for value in call.reads.values():
            for path in value if isinstance(value, list) else [value] if value else []:
                assert any(path == one or one in path.parents for one in written), path


def test_moved_folders_are_used() -> None:
    calls = calls_of(output_dir="mine", seed_runs_dir="seeds-of-mine")
    assert calls["post_prune"].writes["out"] == Path("mine")
    assert calls["train"].writes["out"] == Path("seeds-of-mine/seed_0/model")


def test_devices_are_those_of_the_arguments() -> None:
    calls = calls_of(device="cpu", device_encoder="cuda:0")
    options = calls["train"].options
    assert (options["device"], options["device_encoder"], options["device_decoder"]) == ("cpu", "cuda:0", "cpu")


def test_a_store_of_several_shards_is_there_only_with_all_of_them(tmp_path: Path) -> None:
    own = replace(config(), experiment_dir=str(tmp_path))
    calls = Calls(own, Layout.of(own), lambda stage: MADE_FROM)
    record_shards(tmp_path / "gradients", 3, MADE_FROM)
    call = calls.cache_gradients()
    assert call.shards == 3 and tmp_path / "gradients" / "test" / "shard-2.safetensors" in call.results
    record_shards(tmp_path / "gradients", 3, "something else")
    assert calls.cache_gradients().shards == 1
