"""Rows whose writing is interrupted are gone on with, to the very same files; what is begun for others is refused."""

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import Killed, counted, killed_after
from tiny import base_model_settings, random_space, save_tiny_model, tiny_examples, tiny_masked_lm, tiny_neutral

from gradiend.errors import GradiendError
from gradiend.gradients.begun import BegunShard
from gradiend.gradients.capture import Capture
from gradiend.gradients.shard_file import ShardFile
from gradiend.settings import CacheGradients
from gradiend.stages import cache_gradients
from gradiend.stages.command import _stoppable, _Stopped

CHUNKS = 14  # of one shard: 5 batches of training examples, and 4, 3 and 2 pairs of single ones


def killed(*_: object, **__: object) -> None:
    raise Killed


class Job:
    """The stage with its inputs, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.partial = folder, folder / ".partial" / "rows.safetensors"
        self.inputs = {name: folder / name for name in ("examples", "neutral", "space")}
        tiny_examples().to_parquet(self.inputs["examples"])
        tiny_neutral().to_parquet(self.inputs["neutral"])
        random_space(tiny_masked_lm(), 0.2).save(self.inputs["space"])
        self.settings = CacheGradients(base_model_settings(save_tiny_model(folder / "base")), None, False, 0)

    def run(self, out: str = "rows", **options: Any) -> str:
        options = {"settings": self.settings, "eval_batch_size": 2, **self.inputs, **options}
        return cache_gradients.run(**options, partial=self.partial, out=self.folder / out)

    def files(self, out: str = "rows") -> dict[str, bytes]:
        root = self.folder / out
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def hidden(self) -> list[Path]:
        return sorted(self.folder.glob("rows/*/.*"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.mark.parametrize("chunks", [1, 5, 6, 13])
def test_a_killed_job_goes_on_to_the_very_same_files(job: Job, chunks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with counted(monkeypatch) as every:
        job.run("undisturbed")
    with killed_after(chunks, monkeypatch):
        job.run()
    assert not list(job.folder.glob("rows/*/shard-*"))
    with counted(monkeypatch) as again:
        job.run()
    assert len(every) == CHUNKS and again == every[chunks:]
    assert job.files() == job.files("undisturbed")
    assert not job.partial.exists()


def test_a_job_that_is_killed_again_and_again_comes_to_the_same_end(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.run("undisturbed")
    for chunks in (2, 1, 4, 3):
        with killed_after(chunks, monkeypatch):
            job.run()
    assert job.partial.exists()
    job.run()
    assert job.files() == job.files("undisturbed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_what_is_there_at_once(job: Job, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    job.run("undisturbed")
    write, written = ShardFile.write, iter(range(100))

    def write_and_be_told(self: ShardFile, name: str, position: int, row: torch.Tensor) -> None:
        write(self, name, position, row)
        if next(written) == 12:  # in the first chunk of validation
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch, pytest.raises(_Stopped), _stoppable():
        patch.setattr(ShardFile, "write", write_and_be_told)
        job.run()
    with counted(monkeypatch) as again:
        job.run()
    assert len(again) == CHUNKS - 6
    assert job.files() == job.files("undisturbed")


def test_what_was_begun_with_anything_else_is_removed_and_not_used(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[dict[str, Any]] = [
        {"eval_batch_size": 3},
        {"shard": "0/2"},
        {"settings": dataclasses.replace(job.settings, seed=1)},
        {
            "settings": dataclasses.replace(
                job.settings, base_model=base_model_settings(save_tiny_model(job.folder / "o"))
            )
        },
    ]
    for other in others:
        with killed_after(6, monkeypatch):
            job.run()
        begun = set(job.hidden())
        with killed_after(1, monkeypatch), counted(monkeypatch) as again:
            job.run(**other)
        assert len(again) == 1 and len(begun) == 2
        assert not begun & set(job.hidden())


def test_changed_examples_begin_anew(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    with killed_after(6, monkeypatch):
        job.run()
    examples = tiny_examples()
    examples.loc[examples["split"] == "test", "masked"] = examples["masked"].iloc[0]
    examples.to_parquet(job.inputs["examples"])
    with counted(monkeypatch) as again:
        job.run()
    assert len(again) == CHUNKS


def test_a_job_that_was_killed_while_files_got_their_names_writes_those_again(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.run("undisturbed")
    with killed_after(CHUNKS, monkeypatch):
        job.run()
    next(path for path in job.hidden() if path.parent.name == "train").unlink()
    with monkeypatch.context() as patch, pytest.raises(Killed):  # and again, before anything is kept
        patch.setattr(BegunShard, "keep", killed)
        job.run()
    with counted(monkeypatch) as again:
        job.run()
    assert len(again) == 5
    assert job.files() == job.files("undisturbed")


def test_a_failed_job_leaves_nothing_where_no_state_tells_of_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_row = Capture.batch_row

    def wrong(self: Capture, pairs: Any) -> Any:
        factual, alternative = batch_row(self, pairs)
        return factual * float("nan"), alternative

    monkeypatch.setattr(Capture, "batch_row", wrong)
    with pytest.raises(GradiendError, match=r"gradient row 0 \(factual\) holds NaN or infinity"):
        job.run()
    assert job.files() == {}


def test_an_interrupted_shard_leaves_the_old_one(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.run()
    before = job.files()
    with killed_after(3, monkeypatch):
        job.run()
    assert {name: content for name, content in job.files().items() if ".partial" not in name} == before


def test_what_is_begun_needs_no_space_again(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    needed: list[int] = []
    monkeypatch.setattr(cache_gradients, "require_free_space", lambda out, size: needed.append(size))
    with killed_after(CHUNKS, monkeypatch):
        job.run()
    job.run()
    first, again = needed
    assert again < first / 2
