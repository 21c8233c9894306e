"""Files that are complete or absent: every writer uses a temporary name in the same folder, then renames."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from safetensors import SafetensorError

from gradiend.errors import GradiendError

NOT_WRITTEN = {
    errno.ENOSPC: "no space is left on the disk: make room, or give another experiment_dir",
    errno.EDQUOT: "the disk quota is used up: make room, or give another experiment_dir",
    errno.EROFS: "the file system can only be read: give another experiment_dir",
    errno.EACCES: "permission is denied: give another experiment_dir, or change the folder's permissions",
    errno.ENAMETOOLONG: "the name is too long for the file system: give a shorter one",
}
_KINDS = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}  # of JSON values but objects
LONGEST_NAME = 120  # bytes of a file name that is made from another name: file systems take 255, suffixes included


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends without an error, else removed.

    The block may make a file or a folder of it. A folder replaces what is at `path`, a file never replaces a folder.
    What is written is as readable as the umask has it.
    """
    if path.name in ("", ".."):
        raise GradiendError(f"{path}: is a folder that cannot be replaced: give another path")
    make_folder(path.parent)
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{what}") for what in ("partial", "old"))
    _clear(path)
    with naming(path):
        try:
            yield temporary
            if path.is_dir() and not temporary.is_dir():
                raise GradiendError(f"{path}: is a folder, but a file is to be written there: give another path")
            _usual_modes(temporary)
            if temporary.is_dir() and os.path.lexists(path):
                os.replace(path, old)  # a folder cannot be renamed onto another one
            os.replace(temporary, path)
        finally:
            if os.path.lexists(old) and not os.path.lexists(path):
                os.replace(old, path)
            remove(old)
            remove(temporary)


def _clear(path: Path) -> None:
    """Remove what processes that were killed had begun to write: a store's may be large."""
    for left in path.parent.glob(f".{escape(path.name)}.*.partial"):
        process = left.name.split(".")[-2]
        if process == str(os.getpid()) or not (process.isdecimal() and _runs(int(process))):
            remove(left)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        pass
    return True


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises `GradiendError` where a file, or no folder, can be there."""
    with naming(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if disk_hint(error) is None:
                raise GradiendError(
                    f"{path}: no folder can be made here ({error.strerror}): give another path"
                ) from error
            raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the disk says which file could not be written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if (hint := disk_hint(error)) is None:
            raise
        where = error.filename if isinstance(error, OSError) else None
        raise GradiendError(f"{where or path}: {hint}") from error


def disk_hint(error: Exception) -> str | None:
    """What to do where nothing can be written; None for any other error."""
    if isinstance(error, OSError):
        number = error.errno
    else:  # safetensors gives only the text
        found = re.search(r"\(os error (\d+)\)", str(error))
        number = int(found[1]) if found else None
    return None if number is None else NOT_WRITTEN.get(number)


def shown_bytes(count: float) -> str:
    """In GiB or MiB."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def remove(path: Path) -> None:
    """Delete a file or a whole folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _usual_modes(path: Path) -> None:
    """The modes that new files and folders have: some libraries write files that only their owner can read."""
    umask = os.umask(0)
    os.umask(umask)
    for one in (path, *path.rglob("*")):
        if not one.is_symlink():
            one.chmod((0o777 if one.is_dir() else 0o666) & ~umask)


def write_json(path: Path, value: Any) -> None:
    """Write UTF-8 JSON with sorted keys. Raises `ValueError` on NaN or infinity."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a UTF-8 JSON object, as all files between stages are.

    A missing or broken file, or another value, is a `GradiendError` that names it, and so is a key that it lacks.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_hook=lambda values: _Object(values, path))
    except FileNotFoundError as error:
        raise GradiendError(f"{path}: no such file") from error
    except OSError as error:
        raise GradiendError(f"{path}: not readable ({error.strerror})") from error
    except ValueError as error:
        raise GradiendError(f"{path}: not a JSON file ({error}); delete it and run again") from error
    if not isinstance(found, dict):
        kind = _KINDS.get(type(found), "a number")
        raise GradiendError(f"{path}: holds {kind}: should be an object {{key: value}}; delete it and run again")
    return found


class _MissingKey(GradiendError, KeyError):
    """A key that a JSON file lacks; a `KeyError` for those who know what to say of it."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Object(dict[str, Any]):
    """An object of a JSON file, which says of what file it is where a key is missing; copies are plain objects."""

    def __init__(self, values: Iterable[Any], path: Path | None = None) -> None:
        super().__init__(values)
        self._path = path

    def __missing__(self, key: str) -> Any:
        if self._path is None:
            raise KeyError(key)
        raise _MissingKey(f"{self._path}: has no '{key}'; delete it and run again")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one piece."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def digest_bytes(*parts: bytes) -> str:
    """SHA-256, as 64 hex digits, of the parts with their lengths (so that no two splittings agree)."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()


def file_name(name: str) -> str:
    """`name` as one safe path component: letters and digits of any script stay, the rest is %-encoded.

    A leading dot is encoded too, so that no name can be hidden or leave its folder; a long name ends in a digest.
    Different names stay different.
    """
    safe = "".join(c if c.isalnum() or c in "_-. +" else quote(c, safe="", errors="surrogatepass") for c in name)
    safe = "%2E" + safe[1:] if safe.startswith(".") else safe or "%"
    if len(safe.encode()) <= LONGEST_NAME:
        return safe
    digest = digest_bytes(name.encode("utf-8", "surrogatepass"))[:16]
    return safe.encode()[: LONGEST_NAME - 18].decode(errors="ignore") + f"%-{digest}"


def digest_files(files: Iterable[Path], cache: Path | None = None) -> str:
    """SHA-256 over the files' contents and their names below their common folder.

    The digest of a file is remembered in the JSON file `cache` by path, size and mtime_ns.
    """
    known = _read_cache(cache)
    seen = dict(known)
    listed = list(files)
    root = os.path.commonpath([path.parent.absolute() for path in listed]) if listed else ""
    parts: list[bytes] = []
    for path in listed:
        parts += [os.fsencode(path.absolute().relative_to(root)), _digest_file(path, seen).encode()]
    if cache is not None and seen != known:
        write_json(cache, seen)
    return digest_bytes(*parts)


def folder_files(folder: Path) -> list[Path]:
    """All files of a folder, sorted, hidden ones left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _digest_file(path: Path, seen: dict[str, str]) -> str:
    status = path.stat()
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    if key not in seen:
        with path.open("rb") as file:
            seen[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return seen[key]


def _read_cache(cache: Path | None) -> dict[str, str]:
    """What is remembered; it is only a cache, so a broken one is written anew."""
    try:
        found = read_json(cache) if cache is not None else {}
    except GradiendError:
        return {}
    return {key: digest for key, digest in found.items() if isinstance(digest, str) and len(digest) == 64}
