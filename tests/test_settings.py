"""Settings of stages: written as one canonical string, read back the same, different where anything differs."""

import dataclasses
import json
from typing import Any

import pytest
from config_files import COMPLETE, changed, config
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend.config import parse_config
from gradiend.errors import GradiendError
from gradiend.resolution import stage_settings
from gradiend.settings import STAGES, EvaluateDecoder, PostPrune, PrePrune, SelectSeed, canonical, read_settings

COUNTS = st.none() | st.integers(1, 9)
NUMBERS = st.floats(0, 1e9, allow_subnormal=False)
SELECTIONS = st.builds(SelectSeed, st.sampled_from(["loss", "correlation"]), NUMBERS, COUNTS, st.integers(1, 9))
SHARES = st.integers(1, 9) | st.floats(0.1, 1) | st.none()


def of_stage(stage: str, **arguments: Any) -> Any:
    if stage == "train_mlm_head":
        arguments["prediction_objective"] = "clm_mlm_head"
    raw = changed(COMPLETE, {f"training_arguments.{name}": value for name, value in arguments.items()})
    return stage_settings(stage, parse_config(raw, "config.yaml"), data_digest="d", model_digest="m")


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("stage", STAGES)
def test_the_settings_of_every_stage_come_back_as_they_were(stage: str, cached: bool) -> None:
    made = of_stage(stage, use_cached_gradients=cached)
    back = read_settings(type(made), canonical(made))
    assert back == made
    assert canonical(back) == canonical(made)


@pytest.mark.parametrize("stage", STAGES)
def test_the_canonical_string_is_json_with_sorted_keys_and_without_line_breaks(stage: str) -> None:
    text = canonical(of_stage(stage))
    assert text == json.dumps(json.loads(text), sort_keys=True)
    assert text.isprintable()


@pytest.mark.parametrize(
    ("stage", "config_name"), [("pre_prune", "pre_prune_config"), ("post_prune", "post_prune_config")]
)
def test_topk_one_and_one_point_zero_stay_different(stage: str, config_name: str) -> None:
    count, share = (of_stage(stage, **{config_name: {"topk": topk}}) for topk in (1, 1.0))
    assert canonical(count) != canonical(share)
    kinds = [type(read_settings(type(one), canonical(one)).topk) for one in (count, share)]
    assert kinds == [int, float]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(SELECTIONS, SELECTIONS)
def test_different_settings_have_different_strings(one: SelectSeed, other: SelectSeed) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.tuples(SHARES, st.none()) | st.tuples(st.none(), NUMBERS))
def test_any_topk_or_threshold_comes_back(one: tuple[Any, float | None]) -> None:
    topk, threshold = one
    for made in (PostPrune(topk, threshold, "decoder-sum"), PrePrune(topk, threshold, None, ["a.*"])):
        back = read_settings(type(made), canonical(made))
        assert back == made
        assert type(back.topk) is type(topk)


def test_text_in_any_script_comes_back() -> None:
    made = dataclasses.replace(of_stage("evaluate_decoder"), target_classes=["Größe", 'a"b\n'])
    assert read_settings(EvaluateDecoder, canonical(made)) == made


@pytest.mark.parametrize("text", ["", "{", "nothing", "'a'"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(GradiendError, match=r"^--settings: not JSON: "):
        read_settings(SelectSeed, text)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_seeds": "many"}, "--settings: max_seeds: 'many' is wrong: should be an integer"),
        ({"max_seed": 1}, "--settings: max_seed: unknown setting 'max_seed' (did you mean 'max_seeds'?)"),
        ({"min_convergent_seeds": [1]}, "--settings: min_convergent_seeds: [1] is wrong: should be an integer or null"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, Any], expected: str) -> None:
    good = json.loads(canonical(stage_settings("select_seed", config())))
    with pytest.raises(GradiendError) as caught:
        read_settings(SelectSeed, json.dumps(good | changes))
    assert str(caught.value) == expected


@pytest.mark.parametrize("kind", [PrePrune, PostPrune])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"topk": -3}, "topk: -3 is wrong: should be an integer count >= 1 or a fraction in (0, 1]"),
        ({"topk": True}, "topk: true is wrong: should be an integer count >= 1 or a fraction in (0, 1]"),
        ({"topk": 1.5}, "topk: 1.5 is wrong: should be an integer count >= 1 or a fraction in (0, 1]"),
        ({"threshold": -1}, "threshold: -1 is wrong: should be a number >= 0 or null"),
        ({"topk": 2, "threshold": 1}, "topk 2 and threshold 1.0: give exactly one of the two"),
    ],
)
def test_what_to_keep_is_checked_as_in_a_config_file(kind: type[Any], changes: dict[str, Any], said: str) -> None:
    good = {one.name: None for one in dataclasses.fields(kind)}
    assert read_settings(kind, json.dumps(good | {"topk": 2})).topk == 2
    with pytest.raises(GradiendError) as caught:
        read_settings(kind, json.dumps(good | changes))
    assert str(caught.value) == f"--settings: {said}"


def test_missing_settings_and_settings_that_are_no_mapping_are_named() -> None:
    with pytest.raises(GradiendError, match=r"^--settings: convergent_metric: is missing; "):
        read_settings(SelectSeed, "{}")
    with pytest.raises(GradiendError, match=r"^--settings: \[1\] is wrong: should be a mapping \(key: value\)$"):
        read_settings(SelectSeed, "[1]")
