"""Watching an experiment: what its folder says about its jobs, and how that is shown."""

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gradiend.cli import main
from gradiend.errors import GradiendError
from gradiend.files import write_json
from gradiend.watch.jobs import DONE, FAILED, RUNNING, WAITING, Job, Progress, finished, progress_of, seconds_left
from gradiend.watch.plan import FILE, Plan, PlannedJob, SeedSearch, read_plan, write_plan
from gradiend.watch.screen import label_of, line_of, summary_of, table_of, watch

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


def jobs_of(folder: Path) -> list[Job]:
    return progress_of(folder).jobs


def states(folder: Path) -> dict[str, str]:
    return {one.name: one.state for one in jobs_of(folder)}


def shown(folder: Path, terminal: bool, once: bool = True) -> tuple[int, str]:
    text = io.StringIO()
    code = watch(folder, Console(file=text, force_terminal=terminal, width=120), once=once, sleep=lambda _: None)
    return code, text.getvalue()


def rows_of(progress: Progress, height: int, width: int = 120) -> list[str]:
    """What stands in the lines of a terminal."""
    text = io.StringIO()
    Console(file=text, width=width).print(table_of(progress, height))
    return text.getvalue().splitlines()


def planned(name: str, *runs: str, to_run: bool | None = True) -> PlannedJob:
    """A job of a stage, whose log is in the folder itself or, of some of several runs, in shared/."""
    return PlannedJob(name, f"shared/logs/{name}.log" if runs else f"logs/{name}.log", runs, to_run)


def of_seed(seed: int, *runs: str, to_run: bool | None = None) -> tuple[PlannedJob, PlannedJob]:
    """The jobs of a seed."""
    evaluated = planned(f"evaluate_encoder-{seed}", *runs, to_run=to_run)
    file = f"seeds/seed_{seed}/evaluation.json"
    return planned(f"train-{seed}", *runs, to_run=to_run), replace(evaluated, evaluation=file)


def search(*runs: str, min_convergent: int | None = 1, count: int = 3) -> SeedSearch:
    """A search for seeds whose correlation is 0.5 or more."""
    seeds = range(count)
    return SeedSearch(tuple(seeds), tuple(of_seed(s, *runs) for s in seeds), min_convergent, "correlation", 0.5)


def plan(folder: Path, *jobs: PlannedJob, runs: tuple[str, ...] = ("",), searches: tuple[SeedSearch, ...] = ()) -> None:
    """A plan that was left when the workflow began, at 500."""
    write_plan(folder, Plan(runs, jobs, searches))
    os.utime(folder / FILE, (500, 500))


def evaluated(folder: Path, seed: int, correlation: float) -> None:
    """A seed that is trained and evaluated."""
    for stage in ("train", "evaluate_encoder"):
        job(folder, f"{stage}-{seed}", seconds=2)
    write_json(folder / f"seeds/seed_{seed}/evaluation.json", {"correlation": correlation})


def test_a_job_is_done_when_its_benchmark_is_newer_than_its_log(tmp_path: Path) -> None:
    job(tmp_path, "prepare_data", seconds=2.5)
    job(tmp_path, "cache_importance", seconds=7, earlier=True)
    found = {one.name: one for one in jobs_of(tmp_path)}
    assert (found["prepare_data"].state, found["prepare_data"].seconds) == (DONE, 2.5)
    assert (found["cache_importance"].state, found["cache_importance"].left) == (RUNNING, 7)


def test_a_running_seed_has_its_progress_its_correlation_and_the_time_left(tmp_path: Path) -> None:
    job(tmp_path, "train-0", BAR.format(", loss 0.015, correlation -0.981"))
    job(tmp_path, "train-10", BAR.format(""))
    job(tmp_path, "train-2", "")
    seeds = [one for one in jobs_of(tmp_path) if one.stage == "train"]
    assert [one.name for one in seeds] == ["train-0", "train-2", "train-10"]
    assert (seeds[0].share, seeds[0].left, seeds[0].correlation) == (0.45, 62, -0.981)
    assert (seeds[2].share, seeds[2].correlation) == (0.45, None)
    assert line_of(seeds[0], [""]) == "train-0: running, 45 %, correlation -0.981, 1 min 2 s left"


def test_an_evaluated_seed_has_its_correlation_on_validation(tmp_path: Path) -> None:
    evaluated(tmp_path, 0, 0.97)
    plan(tmp_path, searches=(search(),))
    assert [(one.name, one.correlation) for one in jobs_of(tmp_path)] == [
        ("train-0", None),
        ("evaluate_encoder-0", 0.97),
    ]


@pytest.mark.parametrize(
    "end", ["error: row 3: no mask", "interrupted", "Traceback (most recent call last):\n  File\nKeyError: 1"]
)
def test_a_job_that_ended_with_an_error_has_failed_and_says_it(tmp_path: Path, end: str) -> None:
    job(tmp_path, "prepare_data", f"INFO: 3 texts\n{end}\n")
    found = jobs_of(tmp_path)
    assert found[0].state == FAILED and found[0].note == end.splitlines()[-1]
    assert finished(found) and "failed: prepare_data" in summary_of(progress_of(tmp_path))
    assert shown(tmp_path, terminal=False, once=False)[0] == 1


def test_a_line_of_the_log_that_only_holds_the_word_error_is_no_failure(tmp_path: Path) -> None:
    job(tmp_path, "prepare_data", "INFO: no error: all is well\n")
    assert states(tmp_path)["prepare_data"] == RUNNING


def test_without_a_plan_a_job_has_the_names_of_the_runs_that_link_to_it(tmp_path: Path) -> None:
    name = "evaluate_encoder-0123456789ab-1"
    job(tmp_path, "build_demo_data", seconds=1)
    job(tmp_path / "shared", name, seconds=1)
    job(tmp_path / "shared", "pre_prune-0123456789ab", seconds=1)
    for run, target in (("a", tmp_path / f"shared/logs/{name}.log"), ("b", tmp_path / "not/yet/made")):
        job(tmp_path / run, "link_run")
        job(tmp_path / run, "report", seconds=1)
        (tmp_path / run / "logs/evaluate_encoder-1.log").symlink_to(target)
    assert {(one.runs, one.name) for one in jobs_of(tmp_path)} == {
        ((), "build_demo_data"),
        (("shared",), "pre_prune"),
        (("a",), "evaluate_encoder-1"),
        (("a",), "report"),
        (("b",), "report"),
    }
    assert summary_of(progress_of(tmp_path)) == "5 jobs done, 0 running"


def test_a_job_is_named_by_its_runs_the_first_of_many_and_all() -> None:
    runs = ["a", "b", "c", "d"]
    names = [label_of(own, runs) for own in (["a"], ["a", "c"], ["b", "c", "d"], runs, [])]
    assert names == ["a", "a + 1 more", "b + 2 more", "all runs", "all runs"]
    assert label_of([], [""]) == "" and label_of(["a"], ["a"]) == "a"


def test_the_total_is_known_from_the_start_and_seeds_that_may_come_are_said(tmp_path: Path) -> None:
    plan(tmp_path, planned("prepare_data"), planned("report"), searches=(search(min_convergent=2, count=5),))
    job(tmp_path, "prepare_data", "")
    assert states(tmp_path) == dict.fromkeys(
        ("train-0", "evaluate_encoder-0", "train-1", "evaluate_encoder-1", "report"), WAITING
    ) | {"prepare_data": RUNNING}
    assert summary_of(progress_of(tmp_path)).startswith("0 of 6 jobs done (and 6 more if seeds do not converge)")


def test_a_seed_that_did_not_converge_brings_the_next_and_those_that_did_end_it(tmp_path: Path) -> None:
    plan(tmp_path, searches=(search(),))
    evaluated(tmp_path, 0, 0.1)
    assert summary_of(progress_of(tmp_path)).startswith("2 of 4 jobs done (and 2 more if seeds do not converge)")
    evaluated(tmp_path, 1, 0.9)
    assert summary_of(progress_of(tmp_path)) == "4 of 4 jobs done"


def test_seeds_that_two_runs_share_are_counted_once_and_as_many_as_the_one_that_needs_most(tmp_path: Path) -> None:
    one, all_of_them = search("a", "b"), search("a", "b", min_convergent=None)
    plan(tmp_path, runs=("a", "b"), searches=(one, all_of_them))
    assert summary_of(progress_of(tmp_path)) == "0 of 6 jobs done, time left not known yet"


def test_what_an_earlier_time_left_is_no_news_of_this_one(tmp_path: Path) -> None:
    job(tmp_path, "prepare_data", "error: no such file\n")
    job(tmp_path, "pre_prune", seconds=3)
    evaluated(tmp_path, 0, 0.1)
    jobs = (planned("prepare_data"), planned("pre_prune"), planned("cache_gradients", to_run=False))
    seeds = replace(search(), jobs=tuple(of_seed(seed, to_run=True) for seed in range(3)))
    write_plan(tmp_path, Plan(("",), jobs, (seeds,)))
    os.utime(tmp_path / FILE, (2000, 2000))
    found = {one.name: (one.state, one.left) for one in jobs_of(tmp_path)}
    assert found == {
        "prepare_data": (WAITING, None),
        "pre_prune": (WAITING, 3),
        "cache_gradients": (DONE, None),
        "train-0": (WAITING, 2),
        "evaluate_encoder-0": (WAITING, 2),
    }
    assert not finished(jobs_of(tmp_path))


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = Plan(("a", "b"), (planned("prepare_data", "a", "b"),), (search("a"),), begun=500)
    plan(tmp_path, *written.jobs, runs=written.runs, searches=written.searches)
    assert read_plan(tmp_path) == written


@pytest.mark.parametrize("content", ["[]", "7", '{"runs": [], "jobs": [1], "searches": []}'])
def test_a_plan_of_another_kind_is_an_error_of_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(content)
    with pytest.raises(GradiendError, match=r"jobs\.json: (holds|not the plan) .*; delete it and run again$"):
        read_plan(tmp_path)


def test_the_time_left_is_that_of_the_bars_and_of_earlier_times_and_the_rest_is_named() -> None:
    jobs = [
        Job((), "train-0", RUNNING, left=30),
        Job((), "evaluate_decoder", WAITING, left=60),
        Job((), "report", WAITING),
        Job((), "prepare_data", DONE, seconds=5),
    ]
    assert seconds_left(jobs) == (90, ["report"])
    assert summary_of(Progress(jobs, 0, ("",))) == (
        "1 of 4 jobs done, at least 1 min 30 s left; no time is known yet for 1 of the jobs"
    )


def test_jobs_that_run_side_by_side_share_the_time_but_none_ends_before_its_own() -> None:
    jobs = [Job((), f"train-{seed}", RUNNING, left=left) for seed, left in enumerate((30.0, 40.0))]
    assert seconds_left(jobs) == (40, [])
    jobs += [Job((), "report", WAITING, left=90)]
    assert summary_of(Progress(jobs, 0, ("",))) == "0 of 3 jobs done, about 1 min 30 s left with 2 jobs at a time"


def test_a_job_that_never_ran_takes_as_long_as_those_of_its_stage_did(tmp_path: Path) -> None:
    jobs = [PlannedJob(f"train-{seed}", f"shared/logs/{seed}.log", (run,), True) for seed, run in enumerate("abc")]
    plan(tmp_path, *jobs, runs=("a", "b", "c"))
    job(tmp_path / "shared", "0", seconds=2)
    job(tmp_path / "shared", "1", seconds=4)
    assert jobs_of(tmp_path)[-1] == Job(("c",), "train-2", WAITING, log="shared/logs/2.log", left=3)


def test_without_a_terminal_every_change_is_one_plain_line_and_it_ends_when_all_is_done(tmp_path: Path) -> None:
    job(tmp_path, "report", BAR.format(""))
    text = io.StringIO()

    def end_of_job(_: float) -> None:
        job(tmp_path, "report", BAR.format(""), seconds=3.0)

    assert watch(tmp_path, Console(file=text, width=120), once=False, sleep=end_of_job) == 0
    assert text.getvalue().splitlines() == [
        "report: running, 45 %, 1 min 2 s left",
        "report: done, 3.0 s",
        "1 jobs done, 0 running",
    ]


def test_in_a_terminal_it_is_a_table(tmp_path: Path) -> None:
    job(tmp_path / "[bold]run", "train-0", BAR.format(", correlation 0.5"))
    code, text = shown(tmp_path, terminal=True)
    assert code == 0 and "train-0" in text and "0.500" in text and "1 min 2 s" in text and "[bold]run" in text


def test_of_several_runs_the_table_has_a_row_each_and_one_for_what_runs(tmp_path: Path) -> None:
    runs = tuple(f"run-{i:02}" for i in range(12))
    jobs = [PlannedJob(name, f"{run}/logs/{name}.log", (run,), True) for run in runs for name in ("train-0", "report")]
    plan(tmp_path, *jobs, runs=runs)
    job(tmp_path / "run-03", "train-0", seconds=1)
    job(tmp_path / "run-03", "report", BAR.format(""))
    rows = rows_of(progress_of(tmp_path), height=50)
    assert len(rows) == 1 + 12 + 1 + 1
    assert "run-03" in rows[4] and "1 of 2" in rows[4] and "report" in rows[5]
    small = rows_of(progress_of(tmp_path), height=12)
    assert len(small) <= 12 - 2 and "run-03" in "".join(small) and "0 of 12" in small[-2] and "6 more" in small[-2]


def test_long_names_of_runs_are_told_apart_and_a_run_stays_one_line_in_a_narrow_terminal() -> None:
    runs = tuple(f"latent_dim={i}-max_steps=10-source=alternative-topk=0.{i}" for i in range(3))
    jobs = [Job((run,), "evaluate_decoder", RUNNING, share=0.4, left=729, correlation=0.4) for run in runs]
    jobs += [Job((run,), "prepare_data", DONE, seconds=701) for run in runs]
    rows = rows_of(Progress(jobs, 0, runs), height=24, width=80)
    assert len(rows) == 1 + 2 * 3 + 1 and len({row.split()[0] for row in rows[1:7:2]}) == 3
    assert all("evaluate_decoder" in row and "12 min 9 s" in row for row in rows[2:7:2])


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
