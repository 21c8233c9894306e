"""Watching an experiment: what its folder says about its jobs, and how that is shown."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from gradiend.cli import main
from gradiend.errors import GradiendError
from gradiend.files import write_json
from gradiend.watch.jobs import DONE, FAILED, RUNNING, WAITING, Job, finished, jobs_of, seconds_left
from gradiend.watch.screen import line_of, summary_of, watch

BAR = "train seed 0:   0%|   | 0/600 [00:00<?, ?step/s]\rtrain seed 0:  45%|##| 270/600 [00:10<01:02, 26step/s{}]"
HEADER = "s\th:m:s\tmax_rss\n"


def job(folder: Path, name: str, log: str = "", seconds: float | None = None, earlier: bool = False) -> None:
    """A job's log, and its benchmark: of this time, or of an earlier one."""
    paths = [folder / "logs" / f"{name}.log", folder / "benchmarks" / f"{name}.tsv"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    paths[0].write_text(log)
    os.utime(paths[0], (1000, 1000))
    if seconds is not None:
        paths[1].write_text(f"{HEADER}{seconds}\t0:00:09\t100\n")
        os.utime(paths[1], (900, 900) if earlier else (1000, 1000))


def states(folder: Path) -> dict[str, str]:
    return {one.name: one.state for one in jobs_of(folder)}


def shown(folder: Path, terminal: bool, once: bool = True) -> tuple[int, str]:
    text = io.StringIO()
    code = watch(folder, Console(file=text, force_terminal=terminal, width=120), once=once, sleep=lambda _: None)
    return code, text.getvalue()


def test_a_job_is_done_when_its_benchmark_is_newer_than_its_log(tmp_path: Path) -> None:
    job(tmp_path, "prepare_data", seconds=2.5)
    job(tmp_path, "cache_importance", seconds=7, earlier=True)
    found = {one.name: one for one in jobs_of(tmp_path)}
    assert (found["prepare_data"].state, found["prepare_data"].seconds) == (DONE, 2.5)
    assert (found["cache_importance"].state, found["cache_importance"].left) == (RUNNING, 7)
    assert found["train"].state == WAITING


def test_a_running_seed_has_its_progress_its_correlation_and_the_time_left(tmp_path: Path) -> None:
    job(tmp_path, "train-0", BAR.format(", loss 0.015, correlation -0.981"))
    job(tmp_path, "train-10", BAR.format(""))
    job(tmp_path, "train-2", "")
    seeds = [one for one in jobs_of(tmp_path) if one.stage == "train"]
    assert [one.name for one in seeds] == ["train-0", "train-2", "train-10"]
    assert (seeds[0].share, seeds[0].left, seeds[0].correlation) == (0.45, 62, -0.981)
    assert (seeds[2].share, seeds[2].correlation) == (0.45, None)
    assert line_of(seeds[0]) == "train-0: running, 45 %, correlation -0.981, 1 min 2 s left"


def test_an_evaluated_seed_has_its_correlation_on_validation(tmp_path: Path) -> None:
    job(tmp_path, "evaluate_encoder-3", seconds=1)
    write_json(tmp_path / "seeds/seed_3/evaluation.json", {"correlation": 0.97})
    assert jobs_of(tmp_path)[0].correlation == 0.97


@pytest.mark.parametrize(
    "end", ["error: row 3: no mask", "interrupted", "Traceback (most recent call last):\n  File\nKeyError: 1"]
)
def test_a_job_that_ended_with_an_error_has_failed_and_says_it(tmp_path: Path, end: str) -> None:
    job(tmp_path, "prepare_data", f"INFO: 3 texts\n{end}\n")
    found = jobs_of(tmp_path)
    assert found[0].state == FAILED and found[0].note == end.splitlines()[-1]
    assert finished(found) and "failed: prepare_data" in summary_of(found)
    assert shown(tmp_path, terminal=False, once=False)[0] == 1


def test_a_line_of_the_log_that_only_holds_the_word_error_is_no_failure(tmp_path: Path) -> None:
    job(tmp_path, "prepare_data", "INFO: no error: all is well\n")
    assert states(tmp_path)["prepare_data"] == RUNNING


def test_several_runs_have_their_jobs_each_and_the_demo_is_of_all(tmp_path: Path) -> None:
    job(tmp_path, "build_demo_data", seconds=1)
    for run in ("a", "b"):
        job(tmp_path / run, "prepare_data", seconds=1)
    found = jobs_of(tmp_path)
    assert [(one.run, one.name) for one in found if one.state == DONE] == [
        ("", "build_demo_data"),
        ("a", "prepare_data"),
        ("b", "prepare_data"),
    ]
    assert [(one.run, one.name) for one in found if one.state == WAITING] == [("", "index")]


def test_a_stage_that_runs_share_is_shown_once_and_a_link_to_it_not(tmp_path: Path) -> None:
    name = "evaluate_encoder-0123456789ab-1"
    job(tmp_path / "shared", name, seconds=1)
    write_json(tmp_path / "shared/evaluate_encoder-0123456789ab/seed_1/evaluation.json", {"correlation": 0.9})
    for run, target in (("a", tmp_path / f"shared/logs/{name}.log"), ("b", tmp_path / "not/yet/made")):
        job(tmp_path / run, "link_run")
        (tmp_path / run / "logs/evaluate_encoder-1.log").symlink_to(target)
    found = [one for one in jobs_of(tmp_path) if one.stage == "evaluate_encoder"]
    assert [(one.run, one.name, one.correlation) for one in found] == [("shared", name, 0.9)]
    assert "link_run" not in states(tmp_path)


def test_the_time_left_is_that_of_the_bars_and_of_earlier_times_and_the_rest_is_named() -> None:
    jobs = [
        Job("", "train-0", RUNNING, left=30),
        Job("", "evaluate_decoder", WAITING, left=60),
        Job("", "report", WAITING),
        Job("", "prepare_data", DONE, seconds=5),
    ]
    assert seconds_left(jobs) == (90, ["report"])
    assert summary_of(jobs) == "1 of 4 done, at least 1 min 30 s left"


def test_without_a_terminal_every_change_is_one_plain_line_and_it_ends_when_all_is_done(tmp_path: Path) -> None:
    job(tmp_path, "report", BAR.format(""))
    text = io.StringIO()

    def end_of_job(_: float) -> None:
        job(tmp_path, "report", BAR.format(""), seconds=3.0)

    assert watch(tmp_path, Console(file=text, width=120), once=False, sleep=end_of_job) == 0
    assert text.getvalue().splitlines() == [
        "report: running, 45 %, 1 min 2 s left",
        "report: done, 3.0 s",
        "1 of 1 done",
    ]


def test_in_a_terminal_it_is_a_table(tmp_path: Path) -> None:
    job(tmp_path / "[bold]run", "train-0", BAR.format(", correlation 0.5"))
    code, text = shown(tmp_path, terminal=True)
    assert code == 0 and "train-0" in text and "0.500" in text and "1 min 2 s" in text and "[bold]run" in text


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.touch()])
def test_a_folder_that_is_missing_or_empty_is_an_error_of_one_line(
    tmp_path: Path, make: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(make)
    make(tmp_path / "there")
    assert main(["watch", str(tmp_path / "there")]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: ") and printed.err.count("\n") == 1
    with pytest.raises(GradiendError, match="give an"):
        jobs_of(tmp_path / "there")


def test_a_benchmark_that_is_just_being_written_is_none(tmp_path: Path) -> None:
    job(tmp_path, "prepare_data")
    (tmp_path / "benchmarks/prepare_data.tsv").write_text(HEADER)
    assert states(tmp_path)["prepare_data"] == RUNNING
