"""Where encoder, decoder and base model are computed: by the number of GPUs, or as the user says."""

from dataclasses import dataclass

from gradiend.errors import GradiendError

AUTO = "auto"
SPREAD = "map:"  # a base model's device that is a `device_map` of accelerate: "map:auto"


@dataclass(frozen=True)
class Placement:
    """One device each."""

    encoder: str
    decoder: str
    base_model: str


def placement(
    gpus: int, *, encoder: str = AUTO, decoder: str = AUTO, base_model: str = AUTO, mps: bool = False
) -> Placement:
    """The devices for a number of GPUs; what is not "auto" is as given.

    No GPU: the CPU. One: everything on it. Two: the decoder alone on the second. Three or more: encoder, decoder and
    base model on one each. Raises `GradiendError` on a device that is not there; `mps` says whether that one is.
    """
    first, second, third = {0: ("cpu",) * 3, 1: ("cuda:0",) * 3, 2: ("cuda:0", "cuda:1", "cuda:0")}.get(
        gpus, ("cuda:0", "cuda:1", "cuda:2")
    )
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{i}" for i in range(gpus)), *(["mps"] if mps else [])]
    for name, device in (("encoder", encoder), ("decoder", decoder), ("base_model", base_model)):
        if device not in (AUTO, *there):
            counted = f"{gpus or 'no'} GPU{'' if gpus == 1 else 's'}"
            raise GradiendError(
                f"device_{name} (or device): '{device}': this machine has {counted}: use auto or {' or '.join(there)}"
            )
    return Placement(
        encoder=first if encoder == AUTO else encoder,
        decoder=second if decoder == AUTO else decoder,
        base_model=third if base_model == AUTO else base_model,
    )


def devices_of_training(encoder: str, decoder: str) -> tuple[str, str]:
    """Where encoder and decoder are, by what is asked for and what the machine has."""
    import torch  # a stage that needs no tensors starts without

    mps = torch.backends.mps.is_available()
    found = placement(torch.cuda.device_count(), encoder=encoder, decoder=decoder, mps=mps)
    return found.encoder, found.decoder


def device_map(device: str) -> str | None:
    """The `device_map` in a base model's device, None where that is one device."""
    return device.removeprefix(SPREAD) if device.startswith(SPREAD) else None


def memory_hint(error: RuntimeError) -> str | None:
    """What to lower, where the error says that a device's memory is full; None for any other error."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        where, other = "GPU", "another device (device, device_base_model)"
    elif "DefaultCPUAllocator" in str(error):
        where, other = "main", "a machine with more"
    else:
        return None
    return (
        f"out of {where} memory: lower training_arguments.eval_batch_size, set torch_dtype: bfloat16, keep fewer "
        f"entries (params, pre_prune_config.topk), or use {other} ({str(error).splitlines()[0]})"
    )
