"""Where encoder, decoder and base model are computed."""

import pytest

from gradiend.devices import Placement, device_map, placement
from gradiend.errors import GradiendError


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


@pytest.mark.parametrize(
    ("gpus", "device", "text"),
    [
        (0, "cuda:7", "'cuda:7': this machine has no GPUs: use auto or cpu"),
        (0, "cuda", "'cuda': this machine has no GPUs: use auto or cpu"),
        (1, "cuda:1", "'cuda:1': this machine has 1 GPU: use auto or cpu or cuda or cuda:0"),
        (2, "mps", "'mps': this machine has 2 GPUs: use auto or cpu or cuda or cuda:0 or cuda:1"),
        (1, "gpu", "'gpu': this machine has 1 GPU: use auto or cpu or cuda or cuda:0"),
    ],
)
def test_a_device_that_is_not_there_is_an_error_that_counts_the_gpus(gpus: int, device: str, text: str) -> None:
    for name in ("encoder", "decoder", "base_model"):
        with pytest.raises(GradiendError) as caught:
            placement(gpus, **{name: device})  # type: ignore[arg-type]
        assert str(caught.value) == f"device_{name} (or device): {text}"


def test_mps_is_a_device_where_it_is_there() -> None:
    assert placement(0, base_model="mps", mps=True) == Placement("cpu", "cpu", "mps")


def test_what_is_given_overrides_the_number_of_gpus() -> None:
    assert placement(3, decoder="cpu", base_model="cuda:0") == Placement("cuda:0", "cpu", "cuda:0")
    assert placement(2, encoder="cpu", decoder="cpu", base_model="cpu") == Placement("cpu", "cpu", "cpu")


@pytest.mark.parametrize(("device", "expected"), [("map:auto", "auto"), ("map:balanced", "balanced"), ("cuda:0", None)])
def test_a_device_map_is_told_from_a_device(device: str, expected: str | None) -> None:
    assert device_map(device) == expected
