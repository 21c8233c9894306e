"""A GPU of its own for every job of a machine: `python -m gradiend.gpus N -m gradiend.stages.train ...`.

The job claims N of the devices that it may see by locking a file for each, and then becomes the command, which sees
these alone (`CUDA_VISIBLE_DEVICES`). The locks belong to the process: however it ends, its devices are free again.
They are of this machine, and of no other; a scheduler that gives the job its devices leaves nothing to claim.
"""

import fcntl
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gradiend.devices import AUTO, SPREAD
from gradiend.errors import GradiendError
from gradiend.files import file_name, make_folder

VISIBLE = "CUDA_VISIBLE_DEVICES"
WAIT_SECONDS = 0.2


def gpus_wanted(devices: Sequence[str], there: int) -> int:
    """How many GPUs a job with these device settings needs, of those that are there; 0 on a machine without any.

    "auto" and "cuda" want one, "cuda:2" the third and those before it, a base model that is spread wants all.
    """
    return min(there, max((_wanted(device, there) for device in devices), default=0))


def _wanted(device: str, there: int) -> int:
    if device.startswith(SPREAD):
        return there
    if device in (AUTO, "cuda"):
        return 1
    number = device.removeprefix("cuda:")
    return int(number) + 1 if number != device and number.isdecimal() else 0


def visible_devices(environment: dict[str, str], files: Path = Path("/dev")) -> list[str]:
    """The devices that this process may use: those that it is told, else all NVIDIA devices of the machine."""
    if VISIBLE in environment:
        return [device for device in environment[VISIBLE].split(",") if device not in ("", "-1")]
    numbers = (re.fullmatch(r"nvidia(\d+)", path.name) for path in files.glob("nvidia*"))
    return [str(i) for i, _ in enumerate(number for number in numbers if number)]


def claim(devices: Sequence[str], count: int, folder: Path, wait: Callable[[float], None] = time.sleep) -> list[str]:
    """Lock `count` of the devices for this process until it ends, waiting until so many are free."""
    if count > len(devices):
        raise GradiendError(f"{count} GPUs are asked for, and there are {len(devices)}: lower --resources gpu=")
    make_folder(folder)
    while True:
        held: dict[str, int] = {}
        for device in devices:
            if len(held) < count and (lock := _locked(folder / f"{file_name(device)}.lock")) is not None:
                held[device] = lock
        if len(held) == count:
            for lock in held.values():
                os.set_inheritable(lock, True)  # it outlives the exec
            return list(held)
        for lock in held.values():  # all or none, so that two jobs cannot wait for each other
            os.close(lock)
        wait(WAIT_SECONDS)


def _locked(path: Path) -> int | None:
    """A descriptor that holds the file's lock; None where another process has it. The files stay for ever."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def main(arguments: Sequence[str]) -> None:
    """Become python with the arguments after the first, which says how many GPUs it gets of those that are visible."""
    count, devices = int(arguments[0]), visible_devices(dict(os.environ))
    if len(devices) > count > 0:  # else there is nothing to choose
        folder = Path(tempfile.gettempdir()) / f"gradiend-gpus-{os.getuid()}"
        os.environ[VISIBLE] = ",".join(claim(devices, count, folder))
    os.execv(sys.executable, [sys.executable, *arguments[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
