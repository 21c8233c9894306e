"""Where encoder, decoder and base model are computed: by the number of GPUs, or as the user says."""

from dataclasses import dataclass

AUTO = "auto"


@dataclass(frozen=True)
class Placement:
    """One device each."""

    encoder: str
    decoder: str
    base_model: str


def placement(gpus: int, *, encoder: str = AUTO, decoder: str = AUTO, base_model: str = AUTO) -> Placement:
    """The devices for a number of GPUs; what is not "auto" is as given.

    No GPU: the CPU. One: everything on it. Two: the decoder alone on the second. Three or more: encoder, decoder and
    base model on one each.
    """
    first, second, third = {0: ("cpu",) * 3, 1: ("cuda:0",) * 3, 2: ("cuda:0", "cuda:1", "cuda:0")}.get(
        gpus, ("cuda:0", "cuda:1", "cuda:2")
    )
    return Placement(
        encoder=first if encoder == AUTO else encoder,
        decoder=second if decoder == AUTO else decoder,
        base_model=third if base_model == AUTO else base_model,
    )
