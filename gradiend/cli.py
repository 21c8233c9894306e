"""`gradiend <stage> ...`: every stage of the pipeline by hand; `gradiend doctor CONFIG`: would an experiment run?"""

import importlib
import sys
from collections.abc import Sequence

from gradiend import __version__
from gradiend.errors import did_you_mean
from gradiend.settings import STAGES
from gradiend.stages import command

OTHER_STAGES = ("build_demo_data", "build_demo_model", "check_demo_model", "index")  # without settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage; its module is imported only now, so that `--help` is quick."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    names = [*STAGES, *OTHER_STAGES, "doctor"]
    if given[:1] == ["--version"]:
        print(__version__)
        return 0
    if not given or given[0] in ("-h", "--help"):
        print("usage: gradiend STAGE [options]; `gradiend STAGE --help` lists them\nstages: " + ", ".join(names[:-1]))
        print("`gradiend doctor CONFIG` says what an experiment needs, and whether this machine has it")
        print("       gradiend watch EXPERIMENT_DIR: the progress of an experiment")
        return 0 if given else 2
    if given[0] == "watch":
        return int(importlib.import_module("gradiend.watch.command").main(given[1:]))
    if given[0] not in names:
        print(f"error: unknown stage '{given[0]}'{did_you_mean(given[0], [*names, 'watch'])}", file=sys.stderr)
        return 2
    if given[0] == "doctor":
        doctor: int = importlib.import_module("gradiend.doctor").main(given[1:])
        return doctor
    return command.main(importlib.import_module(f"gradiend.stages.{given[0]}").run, given[1:])


if __name__ == "__main__":
    sys.exit(main())
