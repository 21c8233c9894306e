"""Writes the lock: all dependencies with their versions, and the hashes of their builds for every platform.

`make lock` runs it. requirements.lock has the hashes; constraints.txt has the same versions without them, which stay as
long as pyproject.toml allows them.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

LOCK, CONSTRAINTS = Path("requirements.lock"), Path("constraints.txt")
OF_GPUS = re.compile(r"(nvidia|cuda|triton)\b")  # what torch's builds for GPUs need besides, several GB
LINUX = "sys_platform == 'linux'"
COMPILE = ("pyproject.toml", "--all-extras", "--universal", "--python-version", "3.11", "--generate-hashes")
STYLE = ("--strip-extras", "--no-annotate", "--no-header", "--no-emit-index-url", "--quiet")
HEAD = """\
# Written by `make lock`. Every hash is of a build that was in the package registry when it was written. For Linux,
# torch has its CPU builds, as far as they were found: what those for GPUs need besides is left out.
"""

Entries = dict[str, set[str]]


def read(text: str) -> Entries:
    """`name==version ; marker` -> hashes."""
    found: Entries = {}
    for line in text.splitlines():
        entry = line.removesuffix("\\").strip()
        if entry.startswith("--hash="):
            found[next(reversed(found))].add(entry)
        elif entry and not entry.startswith("#"):
            found[entry] = set()
    return found


def compiled() -> Entries:
    """What uv finds in the registry."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "lock.txt"
        out.write_text(CONSTRAINTS.read_text() if CONSTRAINTS.exists() else "")  # uv keeps these versions
        subprocess.run([sys.executable, "-m", "uv", "pip", "compile", *COMPILE, *STYLE, "-o", str(out)], check=True)
        return {entry: hashes for entry, hashes in read(out.read_text()).items() if not OF_GPUS.match(entry)}


def cpu_build(torch: str) -> set[str]:
    """The hash of torch's CPU build for this Python, if pip finds one: they lie in other places than the registry."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, torch]
        subprocess.run(command, check=True)
        (file,) = Path(folder).iterdir()
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {f"--hash=sha256:{digest}"} if "+cpu" in file.name else set()


def main() -> None:
    """Write both files."""
    before = read(LOCK.read_text()) if LOCK.exists() else {}
    entries = compiled()
    CONSTRAINTS.write_text("# Written by `make lock`, as is requirements.lock.\n" + "\n".join(entries) + "\n")
    (torch,) = (entry for entry in entries if entry.startswith("torch=="))
    on_linux, elsewhere = f"{torch}+cpu ; {LINUX}", f"{torch} ; {LINUX.replace('==', '!=')}"
    entries[on_linux] = before.get(on_linux, set()) | cpu_build(torch)
    entries[elsewhere] = entries.pop(torch)
    parts = (" \\\n    ".join([entry, *sorted(hashes)]) for entry, hashes in entries.items())
    LOCK.write_text(HEAD + "\n".join(sorted(parts)) + "\n")


if __name__ == "__main__":
    main()
