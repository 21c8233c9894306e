"""Records: what made a stage's results, written beside them, so that later calls know whether they are still right.

Snakemake remembers finished jobs in the working directory, and only those that it ran itself. A record lies with the
results, whoever made them: the workflow, the Python API, or a stage run by hand.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradiend.errors import GradiendError
from gradiend.files import read_json, remove, write_json


@dataclass(frozen=True)
class Record:
    """The settings (canonical JSON, which holds the digests of external data and base model) and the code's digest.

    `finished` is when the results were complete, in nanoseconds since 1970: a stage whose results are older than those
    that it reads is to be run again.
    """

    settings: str
    code: str
    finished: int

    def is_of(self, settings: str, code: str) -> bool:
        """Whether these settings and this code would make the same results again."""
        return (self.settings, self.code) == (settings, code)


@contextmanager
def recording(path: Path, settings: str, code: str) -> Iterator[None]:
    """Around a stage: remove its record, and write it anew once the stage has succeeded."""
    remove(path)
    yield
    write_json(path, {"settings": json.loads(settings), "code": code, "finished": time.time_ns()})


def read_record(path: Path) -> Record | None:
    """The record at `path`; None where there is none, or none that can be read, which says as little."""
    try:
        content: Any = read_json(path)
        return Record(json.dumps(content["settings"], sort_keys=True), content["code"], int(content["finished"]))
    except (GradiendError, KeyError, TypeError, ValueError):
        return None
