"""Files between stages that are cut short or have a wrong bit: a stage says so in one line, or ends as always."""

import random
from pathlib import Path

import pandas as pd
import pytest
from chain import Chain
from tiny import save_tiny_model

from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json
from gradiend.resolution import stage_settings
from gradiend.stages import evaluate_decoder

HEADER = 400  # bytes at the beginning, where half of the damage is done
READ: list[tuple[str, str, int]] = [  # stage, file that it reads, how many bits are turned
    ("cache_importance", "examples.parquet", 6),
    ("pre_prune", "importance.safetensors", 30),
    ("cache_gradients", "examples.parquet", 4),
    ("cache_gradients", "neutral.parquet", 4),
    ("cache_gradients", "space.safetensors", 4),
    ("train", "space.safetensors", 30),
    ("train", "train/rows.parquet", 30),
    ("train", "train/shard-0.safetensors", 30),
    ("evaluate_encoder", "seed_0/model/model.safetensors", 15),
    ("evaluate_encoder", "seed_0/model/config.json", 15),
    ("evaluate_encoder", "seed_0/training.json", 8),
    ("evaluate_encoder", "validation/rows.parquet", 15),
    ("select_seed", "seed_0/evaluation.json", 60),
    ("select_seed", "seed_0/training.json", 60),
    ("post_prune", "best/model.safetensors", 30),
    ("post_prune", "best/space.safetensors", 30),
    ("evaluate_test", "model/config.json", 8),
    ("evaluate_test", "test/rows.parquet", 8),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """All stages have run; what they write from now on goes elsewhere."""
    inputs = tmp_path_factory.mktemp("inputs")
    save_tiny_model(inputs / "model")
    small = {"max_steps": 4, "eval_steps": 2, "encoder_eval_max_size": 6, "pre_prune_config": {"topk": 0.05}}
    Chain(inputs, inputs / "results", **small).run_all()
    return Chain(inputs, inputs / "results", inputs / "elsewhere", **small)


def said(chain: Chain, stage: str, path: Path, content: bytes) -> str | None:
    """What a stage says of a file of this content, None where it finds nothing wrong; the file is then as before."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        chain.run(stage)
    except GradiendError as error:
        return str(error)
    finally:
        path.write_bytes(before)
    return None


def parquet(table: pd.DataFrame) -> bytes:
    """The file of a table."""
    return bytes(table.to_parquet(index=False))


@pytest.mark.parametrize(("stage", "name", "times"), READ, ids=[f"{stage}-{name}" for stage, name, _ in READ])
def test_a_broken_file_is_one_line_or_nothing_worth_a_word(finished: Chain, stage: str, name: str, times: int) -> None:
    path = finished.folder / name
    whole, draw = path.read_bytes(), random.Random(f"{stage} {name}")
    for size in (0, *(draw.randrange(len(whole) - 1) for _ in range(times // 2))):
        error = said(finished, stage, path, whole[:size])
        assert error is not None and path.name in error and "\n" not in error, f"cut at {size}"
    for i in range(times):
        at = draw.randrange(min(HEADER, len(whole)) if i % 2 else len(whole))
        turned = whole[at] ^ 1 << draw.randrange(8)
        error = said(finished, stage, path, whole[:at] + bytes([turned]) + whole[at + 1 :])
        assert error is None or "\n" not in error, f"byte {at} is {turned}"


def test_a_wrong_bit_in_the_content_of_a_table_is_noticed(finished: Chain) -> None:
    path = finished.folder / "examples.parquet"
    whole = path.read_bytes()
    at = whole.index(b"nurse")
    error = said(finished, "cache_importance", path, whole[:at] + b"N" + whole[at + 1 :])
    assert error is not None and "examples.parquet: not a readable Parquet file" in error


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"7", b"null"])
@pytest.mark.parametrize(("stage", "name"), [(stage, name) for stage, name, _ in READ if name.endswith(".json")])
def test_a_json_file_of_another_kind_is_named(finished: Chain, stage: str, name: str, content: bytes) -> None:
    error = said(finished, stage, finished.folder / name, content)
    assert error is not None and f"{name}: holds " in error and "should be an object" in error and "\n" not in error


@pytest.mark.parametrize(
    ("stage", "name", "column"),
    [
        ("cache_importance", "examples", "factual"),
        ("cache_gradients", "examples", "batch"),
        ("cache_gradients", "neutral", "text"),
        ("train", "train/rows", "shard"),
        ("evaluate_test", "test/rows", "factual_class"),
    ],
)
def test_a_table_without_a_column_and_one_of_another_kind_are_named(
    finished: Chain, stage: str, name: str, column: str
) -> None:
    path = finished.folder / f"{name}.parquet"
    less, other = parquet(pd.read_parquet(path).drop(columns=column)), parquet(pd.DataFrame({"of": [1], "others": [2]}))
    error = said(finished, stage, path, less)
    assert error is not None and f"{name}.parquet: has no column '{column}' (it has " in error and "\n" not in error
    error = said(finished, stage, path, other)
    assert error is not None and f"{name}.parquet: has no column" in error and "(it has of, others); delete" in error


def test_examples_that_are_none_or_have_no_ids_are_named(finished: Chain) -> None:
    path = finished.folder / "examples.parquet"
    table = pd.read_parquet(path)
    for stage in ("cache_importance", "cache_gradients"):
        error = said(finished, stage, path, parquet(table[:0]))
        assert error is not None and "examples.parquet: has no examples; delete it and run again" in error
        for ids in (None, 3, table["id"] + 0.5):
            error = said(finished, stage, path, parquet(table.assign(id=ids)))
            assert error is not None and "examples.parquet: its ids should be integers, each another one" in error


def test_a_summary_of_other_examples_is_not_taken_for_that_of_these(finished: Chain, tmp_path: Path) -> None:
    here, there = finished.folder, tmp_path / "summary.json"
    write_json(there, read_json(here / "summary.json") | {"examples_digest": "0" * 64})
    written = {name: tmp_path / name for name in ("partial", "grid", "positions", "summary")}
    with pytest.raises(
        GradiendError, match=r"summary\.json: is the summary of other examples than .*examples\.parquet;"
    ):
        evaluate_decoder.run(
            settings=stage_settings("evaluate_decoder", finished.config),
            model=here / "model",
            examples=here / "examples.parquet",
            neutral=here / "neutral.parquet",
            data_summary=there,
            space=here / "space.safetensors",
            train_rows=here / "train" / "rows.parquet",
            measured=[],
            device="cpu",
            **written,
        )


@pytest.mark.parametrize(("stage", "name"), [("pre_prune", "importance"), ("post_prune", "best/model")])
def test_a_wrong_bit_in_a_weight_or_an_importance_is_noticed(finished: Chain, stage: str, name: str) -> None:
    path = finished.folder / f"{name}.safetensors"
    whole = path.read_bytes()
    error = said(finished, stage, path, whole[:-1] + bytes([whole[-1] ^ 1]))
    assert error is not None and f"{path.name}: its content does not match its digest" in error
