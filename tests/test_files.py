"""Files: complete or absent, safe names, digests."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from gradiend import files
from gradiend.errors import GradiendError
from gradiend.files import (
    digest_bytes,
    digest_files,
    disk_hint,
    file_name,
    folder_files,
    read_json,
    remove,
    replacing,
    shown_bytes,
    write_json,
    write_text,
)

NAMES = st.text(max_size=200) | st.text("a/.%~-", max_size=6)
NASTY = [
    "",
    ".",
    "..",
    "../..",
    "/",
    "/etc/passwd",
    "a/../b",
    "a\0b",
    "~",
    "~root",
    "ß/ü",
    "%",
    "%2E",
    ".hidden",
    "a b",
    "\ud800",
]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fails_while_writing(path: Path, *, folder: bool = False) -> None:
    with replacing(path) as temporary:
        if folder:
            temporary.mkdir()
        (temporary / "half" if folder else temporary).write_text("half")
        raise RuntimeError("killed")


# Complete or absent


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "made" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert (path.read_text(), names(path.parent)) == ("new", {"a.txt"})


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    for folder in (False, True):
        with pytest.raises(RuntimeError):
            fails_while_writing(tmp_path / "a", folder=folder)
    assert names(tmp_path) == set()


def test_an_error_keeps_the_old_file_and_the_old_folder(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    (tmp_path / "folder").mkdir()
    write_text(tmp_path / "folder" / "a", "old")
    for name, folder in (("file", False), ("folder", True), ("file", True), ("folder", False)):
        with pytest.raises(RuntimeError):
            fails_while_writing(tmp_path / name, folder=folder)
    assert ((tmp_path / "file").read_text(), (tmp_path / "folder" / "a").read_text()) == ("old", "old")
    assert names(tmp_path) == {"file", "folder"}


def test_a_folder_replaces_a_folder_with_all_that_was_in_it(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with replacing(tmp_path / "model") as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert names(tmp_path / "model") == {"new"}
    assert names(tmp_path) == {"model"}


def test_a_folder_replaces_a_file_but_a_file_no_folder(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "file")
    with replacing(tmp_path / "a") as temporary:
        temporary.mkdir()
    assert (tmp_path / "a").is_dir()
    with pytest.raises(GradiendError, match="a: is a folder, but a file is to be written there"):
        write_text(tmp_path / "a", "file")
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("I/O error: No space left (os error 28)")],
)
def test_a_full_disk_is_named_with_the_file_and_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    full = r"a\.json: no space is left on the disk: make room, or give another"
    with pytest.raises(GradiendError, match=full), replacing(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == set()


def test_what_a_killed_process_had_begun_is_removed_and_what_a_running_one_writes_is_not(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".[a].json.{ended.pid}.partial").mkdir()
    for name in (f".[a].json.{os.getppid()}.partial", f".b.json.{ended.pid}.partial"):
        (tmp_path / name).touch()
    write_text(tmp_path / "[a].json", "whole")
    kept = {f".[a].json.{os.getppid()}.partial", f".b.json.{ended.pid}.partial"}
    assert names(tmp_path) == {"[a].json"} | kept


def test_a_path_where_no_file_can_be_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(GradiendError, match=r"file/deep: no folder can be made here \(Not a directory\)"):
        write_text(tmp_path / "file" / "deep" / "a.json", "whole")
    with pytest.raises(GradiendError, match=r"file: no folder can be made here \(File exists\): give another path"):
        write_text(tmp_path / "file" / "a.json", "whole")
    with pytest.raises(GradiendError, match="the name is too long for the file system: give a shorter one"):
        write_text(tmp_path / ("n" * 300), "whole")
    assert names(tmp_path) == {"file"} and (tmp_path / "file").read_text() == "kept"


def test_only_errors_of_the_disk_are_told_as_such() -> None:
    assert disk_hint(OSError(errno.EDQUOT, "Quota")) and disk_hint(OSError(errno.EROFS, "Read-only"))
    assert disk_hint(SafetensorError("header too large")) is None and disk_hint(FileNotFoundError(2, "No")) is None


@pytest.mark.parametrize(("count", "shown"), [(0, "0.0 MiB"), (2**20 * 1.5, "1.5 MiB"), (2**30, "1.00 GiB")])
def test_bytes_are_shown_in_a_unit_that_fits(count: float, shown: str) -> None:
    assert shown_bytes(count) == shown


def test_a_folder_that_cannot_be_renamed_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    rename = os.replace

    def fails_on_the_new_one(source: Path, target: Path) -> None:
        if source.name.endswith("partial"):
            raise OSError("disk full")
        rename(source, target)

    monkeypatch.setattr(files.os, "replace", fails_on_the_new_one)
    with pytest.raises(OSError, match="disk full"), replacing(tmp_path / "a") as temporary:
        temporary.mkdir()
    assert (names(tmp_path), names(tmp_path / "a")) == ({"a"}, {"old"})


def test_a_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize(("umask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o007, 0o660, 0o770)])
def test_what_is_written_has_the_usual_modes(tmp_path: Path, umask: int, file_mode: int, folder_mode: int) -> None:
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "a") as temporary:
            temporary.touch(mode=0o600)  # as safetensors does
        with replacing(tmp_path / "b") as temporary:
            (temporary / "inner").mkdir(parents=True, mode=0o700)
            (temporary / "inner/c").touch(mode=0o600)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "b/inner/c", "b", "b/inner")]
    assert modes == [file_mode, file_mode, folder_mode, folder_mode]


def test_removing_takes_files_folders_links_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    for name in ("folder", "file", "link", "nothing"):
        remove(tmp_path / name)
    assert names(tmp_path) == {"kept"}


# JSON


@pytest.mark.parametrize("value", [float("nan"), {"a": [1.0, float("inf")]}, -float("inf")])
def test_json_refuses_nan_and_infinity_and_keeps_the_old_file(tmp_path: Path, value: Any) -> None:
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == {"old": 1}
    assert names(tmp_path) == {"a.json"}


def test_json_is_utf8_with_sorted_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "ü", "a": None})
    assert (tmp_path / "a.json").read_bytes() == '{\n "a": null,\n "b": "ü"\n}\n'.encode()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1,]"])
def test_a_broken_json_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(GradiendError, match=r"a\.json: not a JSON file .*; delete it and run again"):
        read_json(tmp_path / "a.json")


def test_a_key_that_a_json_file_lacks_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": {"b": 1}}')
    found = read_json(tmp_path / "a.json")
    assert found == {"a": {"b": 1}} and found["a"]["b"] == 1 and found.get("c") is None
    for owner in (found, found["a"]):
        with pytest.raises(GradiendError, match=r"^\S+a\.json: has no 'c'; delete it and run again$"):
            owner["c"]


def test_a_missing_json_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"a\.json: no such file"):
        read_json(tmp_path / "a.json")
    with pytest.raises(GradiendError, match=r": not readable \(Is a directory\)"):
        read_json(tmp_path)


# Names


@pytest.mark.parametrize("name", [*NASTY, "x" * 5000, "ü" * 200, "/" * 100])
def test_a_name_is_one_component_that_can_be_made(tmp_path: Path, name: str) -> None:
    safe = file_name(name)
    assert len(Path(safe).parts) == 1
    assert (tmp_path / safe).resolve().parent == tmp_path.resolve()
    with replacing(tmp_path / safe) as temporary:
        temporary.touch()
    assert names(tmp_path) == {safe}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(NAMES, NAMES)
def test_different_names_stay_different_short_and_visible(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)
    for name in (one, other):
        safe = file_name(name)
        assert 0 < len(safe.encode()) <= 120
        assert "/" not in safe
        assert not safe.startswith(".")


def test_long_names_that_differ_only_at_the_end_stay_different() -> None:
    assert file_name("x" * 500 + "a") != file_name("x" * 500 + "b")
    assert len({file_name(name) for name in NASTY}) == len(NASTY)


@pytest.mark.parametrize("name", ["female", "3SG", "männlich", "non-binary", "a b", "x.y", "女"])
def test_a_harmless_name_stays_as_it_is(name: str) -> None:
    assert file_name(name) == name


# Digests


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_no_two_splittings_of_bytes_have_the_same_digest(one: list[bytes], other: list[bytes]) -> None:
    assert (digest_bytes(*one) == digest_bytes(*other)) == (one == other)


def test_a_digest_depends_on_content_and_names_and_not_on_time_stamps(tmp_path: Path) -> None:
    listed = [tmp_path / "a", tmp_path / "b"]
    for path, text in zip(listed, ("1", "2"), strict=True):
        path.write_text(text)
    first = digest_files(listed)
    os.utime(listed[0], ns=(1, 1))
    assert digest_files(listed) == first
    listed[0].write_text("3")
    assert digest_files(listed) != first
    listed[0].write_text("1")
    assert digest_files([listed[0].rename(tmp_path / "c"), listed[1]]) != first


def test_a_digest_knows_folders_below_the_common_one_but_not_where_that_lies(tmp_path: Path) -> None:
    for root, inner in (("one", "x"), ("two", "x"), ("three", "y")):
        (tmp_path / root / inner).mkdir(parents=True)
        (tmp_path / root / "top").write_text("1")
        (tmp_path / root / inner / "a").write_text("2")
    one, two, three = (digest_files(folder_files(tmp_path / root)) for root in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_no_files_have_a_digest(tmp_path: Path) -> None:
    assert digest_files([]) == digest_files([], tmp_path / "cache.json")


def test_a_known_file_is_not_read_again_until_its_size_or_time_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "a", tmp_path / "new" / "cache.json"
    path.write_text("one")
    first = digest_files([path], cache)
    remembered = {key: "0" * 64 for key in read_json(cache)}
    write_json(cache, remembered)
    assert digest_files([path], cache) != first  # what is remembered counts
    os.utime(path, ns=(5, 5))
    assert digest_files([path], cache) == first
    path.write_text("other")
    os.utime(path, ns=(5, 5))
    assert digest_files([path], cache) == digest_files([path])


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "3", '{"a": 1}', '[["a", "b"]]', "null"])
def test_a_broken_cache_is_ignored_and_written_anew(tmp_path: Path, content: str) -> None:
    path, cache = tmp_path / "a", tmp_path / "cache.json"
    path.write_text("text")
    cache.write_text(content)
    assert digest_files([path], cache) == digest_files([path])
    assert [len(digest) for digest in json.loads(cache.read_text()).values()] == [64]


def test_a_cache_entry_of_a_wrong_type_is_ignored(tmp_path: Path) -> None:
    path, cache = tmp_path / "a", tmp_path / "cache.json"
    path.write_text("text")
    digest = digest_files([path], cache)
    write_json(cache, dict.fromkeys(read_json(cache), 5))
    assert digest_files([path], cache) == digest


def test_the_files_of_a_folder_are_sorted_and_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden", "inner/c", ".git/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in folder_files(tmp_path)] == ["a", "b", "inner/c"]


@pytest.mark.parametrize("path", [".", "..", "a/.."])
def test_the_folder_where_one_is_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GradiendError, match=r"is a folder that cannot be replaced: give another path"):
        write_json(Path(path), {})
