"""Snakemake by a fork of a process that has it loaded: to load it takes longer than to plan."""

import multiprocessing
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli", "snakemake.workflow", "pandas", "gradiend.resolution"])


def snakemake(arguments: list[str], folder: Path) -> tuple[int | None, str, str]:
    """Exit code, output and errors of `snakemake` in a folder."""
    with TemporaryDirectory() as own:
        stdout, stderr = (Path(own) / name for name in ("stdout", "stderr"))
        process = FORKS.Process(target=_run, args=(arguments, folder, stdout, stderr))
        process.start()
        process.join()
        return process.exitcode, stdout.read_text(), stderr.read_text()


def _run(arguments: list[str], folder: Path, stdout: Path, stderr: Path) -> None:
    from snakemake.cli import main

    for number, file in ((1, stdout), (2, stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    sys.argv = ["snakemake", *arguments]
    main()
