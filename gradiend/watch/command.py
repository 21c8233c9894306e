"""`gradiend watch experiment_dir`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gradiend.errors import GradiendError
from gradiend.watch.screen import watch


def main(arguments: Sequence[str]) -> int:
    """Show the progress of an experiment; Ctrl-C ends it, and the experiment goes on."""
    parser = argparse.ArgumentParser(prog="gradiend watch", description=main.__doc__)
    parser.add_argument("experiment_dir", type=Path)
    parser.add_argument("--once", action="store_true", help="show how things stand now, and end")
    given = parser.parse_args(arguments)
    try:
        return watch(given.experiment_dir, Console(), once=given.once)
    except GradiendError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
