"""Records of what made a stage's results."""

from pathlib import Path

import pytest

from gradiend.errors import GradiendError
from gradiend.records import read_record, recording

SETTINGS, CODE = '{"rate": 0.1, "seed": 3}', "0123456789abcdef"


def test_a_finished_stage_leaves_a_record_of_its_settings_and_code(tmp_path: Path) -> None:
    path = tmp_path / "records" / "train-3.json"
    with recording(path, SETTINGS, CODE):
        assert not path.exists()
    found = read_record(path)
    assert found is not None and found.is_of(SETTINGS, CODE)
    assert not found.is_of(SETTINGS, "other")
    assert not found.is_of('{"rate": 0.2, "seed": 3}', CODE)


def test_a_stage_that_fails_leaves_no_record_not_even_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    with recording(path, SETTINGS, CODE):
        pass
    with pytest.raises(GradiendError), recording(path, SETTINGS, CODE):
        raise GradiendError("no")
    assert read_record(path) is None


def test_a_later_record_is_newer(tmp_path: Path) -> None:
    times = []
    for name in ("first.json", "second.json"):
        with recording(tmp_path / name, SETTINGS, CODE):
            pass
        found = read_record(tmp_path / name)
        assert found is not None
        times.append(found.finished)
    assert times[0] < times[1]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"settings": {}, "code": "a"}', '{"settings": {}}'])
def test_what_cannot_be_read_is_no_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    assert read_record(path) is None
    assert read_record(tmp_path / "missing.json") is None
