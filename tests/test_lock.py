"""The lock file: everything that is installed has one version, and hashes."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from experiment import PROJECT

NAME = re.compile(r"[A-Za-z0-9._-]+")


def normal(name: str) -> str:
    """The name of a package as the registry has it."""
    found = NAME.match(name)
    assert found, name
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@pytest.fixture(scope="module")
def lock() -> ModuleType:
    """The script that writes it."""
    spec = importlib.util.spec_from_file_location("lock", PROJECT / "envs" / "lock.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_that_pyproject_asks_for_is_in_the_lock(lock: ModuleType) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    locked = {normal(entry) for entry in lock.read((PROJECT / lock.LOCK).read_text())}
    assert {normal(name) for name in asked} <= locked


def test_every_entry_has_one_version_and_hashes(lock: ModuleType) -> None:
    entries = lock.read((PROJECT / lock.LOCK).read_text())
    assert all(re.fullmatch(r"[a-z0-9-]+==[^ ]+( ; .*)?", entry) for entry in entries)
    wanted = re.compile(r"--hash=sha256:[0-9a-f]{64}")
    assert [entry for entry, hashes in entries.items() if not hashes or not all(map(wanted.fullmatch, hashes))] == []


def test_the_constraints_are_the_versions_of_the_lock(lock: ModuleType) -> None:
    constraints = (PROJECT / lock.CONSTRAINTS).read_text().splitlines()[1:]
    (torch,) = (entry for entry in constraints if normal(entry) == "torch")
    builds = {f"{torch}+cpu ; sys_platform == 'linux'", f"{torch} ; sys_platform != 'linux'"}
    assert set(lock.read((PROJECT / lock.LOCK).read_text())) == {*constraints, *builds} - {torch}


def test_linux_has_the_cpu_builds_of_torch_and_others_those_of_the_registry(
    lock: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    linux, elsewhere = "torch==2.0+cpu ; sys_platform == 'linux'", "torch==2.0 ; sys_platform != 'linux'"
    lock.LOCK.write_text(f"{linux} \\\n    --hash=sha256:earlier\n")
    monkeypatch.setattr(
        lock, "compiled", lambda: {"torch==2.0": {"--hash=sha256:registry"}, "numpy==2.1": {"--hash=n"}}
    )
    monkeypatch.setattr(lock, "cpu_build", lambda entry: {"--hash=sha256:here"})
    lock.main()
    written = lock.read(lock.LOCK.read_text())
    assert written[linux] == {"--hash=sha256:earlier", "--hash=sha256:here"}
    assert written[elsewhere] == {"--hash=sha256:registry"}
    assert lock.CONSTRAINTS.read_text().splitlines()[1:] == ["torch==2.0", "numpy==2.1"]
