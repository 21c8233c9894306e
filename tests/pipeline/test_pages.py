"""Every code block of README.md and docs/ does what a reader would do with it, on the tiny model."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from experiment import PROJECT
from pages import LANGUAGES, NOT_RUN, PAGES, Block, add_results, blocks, commands, prepare

from gradiend.cli import main
from gradiend.config import load_runs
from gradiend.matrix import merged

# page and first command of each block that is not run; whoever adds one says so here and, with the reason, in the block
LEFT_OUT = {
    ("docs/pruning.md", "python benchmarks/importance.py results/demo female male"),
    ("docs/cluster.md", ".venv/bin/pip install --constraint constraints.txt '.[slurm]'"),
    ("docs/cluster.md", ".venv/bin/pip install --require-hashes --requirement requirements.lock"),
}
PLANNED: set[tuple[str, ...]] = set()
DONE_ELSEWHERE = ("source .venv/bin/activate",)  # by `make`
BLOCKS = [block for page in PAGES for block in blocks(page)]
PYTHON = {block.page for block in BLOCKS if block.language == "python"}
WITH_RESULTS = pytest.mark.xdist_group("staleness")  # whose worker has the finished experiment
RUN = [
    pytest.param(page, id=page.stem, marks=[WITH_RESULTS] if page in PYTHON else [])
    for page in dict.fromkeys(block.page for block in BLOCKS if block.runs and block.language in ("bash", "python"))
]


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and block.runs]


def test_every_block_has_a_language_that_says_what_is_done_with_it() -> None:
    assert [block.where for block in BLOCKS if block.language not in LANGUAGES] == []


def test_a_block_that_is_not_run_says_why_and_is_known() -> None:
    left_out = [block for block in BLOCKS if block.code.startswith(NOT_RUN)]
    assert {(str(b.page.relative_to(PROJECT)), commands(b)[0]) for b in left_out} == LEFT_OUT


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.where)
def test_a_config_can_be_loaded_alone_or_over_the_default_one(block: Block) -> None:
    given = yaml.safe_load(block.code)
    whole = {"experiment_dir", "model", "data"} <= set(given)
    default = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    assert load_runs(given if whole else merged(default, given), block.where)


@pytest.mark.parametrize("page", RUN)
def test_the_commands_and_the_python_of_a_page_run_from_top_to_bottom(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(tmp_path / "reader", page)
    if page in PYTHON:
        add_results(folder, request.getfixturevalue("finished"))
    monkeypatch.chdir(folder)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.runs and block.language == "bash":
            for command in commands(block):
                run(command, folder, block.where)
        if block.runs and block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile("\n" * block.line + block.code, str(page), "exec"), names)


def run(command: str, folder: Path, where: str) -> None:
    """Run a command as far as is quick: Snakemake plans, `make` has such a target."""
    words = shlex.split(command.replace(".venv/bin/", ""))
    variables = [words.pop(0) for _ in words[:] if "=" in words[0]]
    if words[0] == "snakemake":
        planned(words[1:], dict(one.split("=", 1) for one in variables), folder, where)
    elif words[0] == "gradiend":
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            assert main(words[1:]) == 0, where
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (PROJECT / "Makefile").read_text(), re.M), f"{where}: no target {words[1]}"
    else:
        assert command in DONE_ELSEWHERE, f"{where}: {command}: run it here, or mark it '{NOT_RUN}why'"


def planned(options: list[str], variables: dict[str, str], folder: Path, where: str) -> None:
    """`snakemake` with these options, as a dry run, and once for all pages; --unlock does what it says."""
    done = (*options, *(path.read_text() for path in sorted(folder.glob("*.yaml")) if path.name in options))
    if done in PLANNED:
        return
    PLANNED.add(done)
    dry = [] if "--unlock" in options or "-n" in options else ["-n"]
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), *options, *dry],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | variables,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, f"{where}: {options}\n{result.stdout}{result.stderr}"
