"""Config files as files: what nobody means is an error that names the file, the key and the line."""

from pathlib import Path

import pytest

from gradiend.config_files import read_config_file
from gradiend.errors import GradiendError

RIGHT = "should be settings, as `key: value`"
WRONG = {
    "": f"is empty: {RIGHT}",
    "# a comment\n": f"is empty: {RIGHT}",
    "- a\n- b\n": f"is a list: {RIGHT}",
    "hello world": f"is plain text: {RIGHT}",
    "a: 1\nb: [1\nc: 2\n": "line 3: not YAML (",
    "a: 1\n\tb: 2\n": "line 2: not YAML (",
    "a: 2020-13-45\n": f"not YAML (month must be in 1..12): {RIGHT}",
    "a: !!int abc\n": "not YAML (invalid literal for int() with base 10: 'abc')",
    'a: "\0"\n': "not YAML (unacceptable character #x0000: special characters are not allowed",
    "? [a]\n: 1\n": "line 1: not YAML (found unhashable key)",
    "a: " + 3000 * "[" + 3000 * "]": "not YAML (maximum recursion depth exceeded",
    "a: 1\nb: 2\na: 3\n": "a: is in line 1 and again in line 3: keep one of them",
    "x:\n  y: {c: 1, d: 2, c: 3}\n": "x.y.c: is in line 2 and again in line 2: keep one of them",
    "x:\n  - {a: 1}\n  - a: 2\n    a: 3\n": "x.a: is in line 3 and again in line 4: keep one of them",
    "runs:\n  a: {}\n  b: {}\n  a: {}\n": "runs.a: is in line 2 and again in line 4: keep one of them",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_one_line_with_file_key_and_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(GradiendError) as caught:
        read_config_file(tmp_path / "my.yaml")
    assert str(caught.value).startswith(f"my.yaml: {WRONG[text]}")
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_and_one_that_is_not_utf8_are_named(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"my\.yaml: no such config file"):
        read_config_file(tmp_path / "my.yaml")
    (tmp_path / "my.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(GradiendError, match=r"my\.yaml: not UTF-8 text"):
        read_config_file(tmp_path / "my.yaml")


def test_a_folder_is_no_config_file(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=f"{tmp_path}: not a config file that can be read"):
        read_config_file(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "a: &x {b: 1}\nc: *x\nd: {<<: *x, b: 2}\ne: {b: 1}\n"),
        ("a.json", '{\n\t"a": {"b": 1},\n\t"c": {"b": 2}\n}'),
    ],
)
def test_aliases_json_and_a_key_in_two_mappings_are_right(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    read_config_file(tmp_path / name)


def test_the_default_config_is_right() -> None:
    read_config_file(Path(__file__).parents[1] / "config.yaml")
