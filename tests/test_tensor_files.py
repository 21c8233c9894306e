"""A file of tensors says what it is about, and of any wrong bit that it is wrong."""

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gradiend.errors import GradiendError
from gradiend.tensor_files import load_tensors, save_tensors

TENSORS = {
    "b": torch.arange(6.0).reshape(2, 3).T,
    "a": torch.tensor([1, 2]),
    "of one": torch.tensor(0.5),
    "of none": torch.empty(0, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
}


def test_tensors_and_what_is_about_them_come_back_as_they_were(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", TENSORS, {"order": ["b", "a"], "n": 1})
    found, about = load_tensors(tmp_path / "t", "file")
    assert about == {"order": ["b", "a"], "n": 1} and set(found) == set(TENSORS)
    assert all(torch.equal(found[name], one) and found[name].dtype == one.dtype for name, one in TENSORS.items())


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    save_tensors(tmp_path / "a", TENSORS, {"x": 1, "y": 2})
    save_tensors(tmp_path / "b", dict(reversed(TENSORS.items())), {"y": 2, "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_wrong_bit_of_a_value_and_any_cut_is_an_error_of_one_line(tmp_path: Path) -> None:
    path, draw = tmp_path / "t", random.Random(0)
    save_tensors(path, TENSORS)
    whole = path.read_bytes()
    values = 8 + int.from_bytes(whole[:8], "little")
    for at in range(values, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :])
        with pytest.raises(GradiendError, match="t: its content does not match its digest; delete it and run again"):
            load_tensors(path, "file")
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(GradiendError, match=r"t: not a readable file of numbers .*; delete it and run again"):
            load_tensors(path, "file of numbers")


def test_a_wrong_bit_of_the_header_is_an_error_of_one_line_or_changes_no_value(tmp_path: Path) -> None:
    path = tmp_path / "t"
    save_tensors(path, TENSORS, {"n": 1})
    whole = path.read_bytes()
    for at in range(8 + int.from_bytes(whole[:8], "little")):
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            try:
                found, _ = load_tensors(path, "file")
            except GradiendError as error:
                assert "\n" not in str(error)
            else:
                assert all(torch.equal(found[name], one) for name, one in TENSORS.items()), (at, bit)


def test_a_file_of_another_program_has_tensors_alone(tmp_path: Path) -> None:
    save_file({"a": TENSORS["a"]}, tmp_path / "t")
    found, about = load_tensors(tmp_path / "t", "file")
    assert about == {} and torch.equal(found["a"], TENSORS["a"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GradiendError, match=r"none\.safetensors: no such file$"):
        load_tensors(tmp_path / "none.safetensors", "head")
