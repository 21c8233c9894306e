"""Where encoder, decoder and base model are computed."""

import pytest

from gradiend.devices import Placement, placement


@pytest.mark.parametrize(
    ("gpus", "devices"),
    [
        (0, ("cpu", "cpu", "cpu")),
        (1, ("cuda:0", "cuda:0", "cuda:0")),
        (2, ("cuda:0", "cuda:1", "cuda:0")),
        (3, ("cuda:0", "cuda:1", "cuda:2")),
        (8, ("cuda:0", "cuda:1", "cuda:2")),
    ],
)
def test_devices_follow_from_the_number_of_gpus(gpus: int, devices: tuple[str, str, str]) -> None:
    assert placement(gpus) == Placement(*devices)


def test_what_is_given_overrides_the_number_of_gpus() -> None:
    assert placement(3, decoder="cpu", base_model="cuda:0") == Placement("cuda:0", "cpu", "cuda:0")
    assert placement(2, encoder="cpu", decoder="cpu", base_model="cpu") == Placement("cpu", "cpu", "cpu")
