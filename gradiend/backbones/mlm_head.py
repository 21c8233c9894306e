"""A causal model that predicts a slot from both sides: a small linear head on the hidden states behind it.

One special token, the same whatever the target is, stands at the slot. The head sees the mean of the hidden states
there and at the next tokens; what it is trained on is frozen, and it is no part of the base model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.slot_model import SlotModel, named
from gradiend.backbones.slots import Batch, Slot
from gradiend.errors import GradiendError, did_you_mean
from gradiend.files import replacing
from gradiend.tensor_files import load_tensors, save_tensors

FILLERS = ("mask_token", "unk_token", "eos_token", "bos_token", "pad_token")


@dataclass(frozen=True, eq=False)
class MlmHead:
    """Scores the surface forms of the data: `weight` `[forms, hidden]`, `bias` `[forms]`.

    `right_window` is how many tokens behind the slot it sees.
    """

    forms: tuple[str, ...]
    right_window: int
    weight: Tensor
    bias: Tensor

    def __call__(self, pooled: Tensor) -> Tensor:
        """`[examples, hidden] -> [examples, forms]`, in the type and on the device of what goes in."""
        return F.linear(pooled, self.weight.to(pooled), self.bias.to(pooled))

    def save(self, path: Path) -> None:
        """Write one safetensors file, the forms and the window in its metadata."""
        about = {"forms": list(self.forms), "right_window": self.right_window}
        with replacing(path) as temporary:
            save_tensors(temporary, {"weight": self.weight.float(), "bias": self.bias.float()}, about)

    @classmethod
    def load(cls, path: Path) -> "MlmHead":
        """Read what `save` wrote. Raises `GradiendError` if the file is missing or broken."""
        tensors, about = load_tensors(path, "head")
        try:
            return cls(tuple(about["forms"]), about["right_window"], tensors["weight"], tensors["bias"])
        except (KeyError, TypeError) as error:
            raise GradiendError(f"{path}: not a readable head ({error}); delete it and run again") from error


class MlmHeadLM(SlotModel):
    """The backbone of a causal model with an `MlmHead` on it; a target is one of the head's forms.

    The input ends with the window: nothing behind it can reach the head. A text that is too long is cut at its
    beginning. A text may begin with its slot.
    """

    objective = "clm_mlm_head"

    def __init__(self, base: CausalLM, head: MlmHead) -> None:
        super().__init__(base.pretrained, base.tokenizer, placeholder=base.placeholder, too_long=base.too_long)
        self.head = head
        self.filler, self.filler_token = filler(self.tokenizer)
        width = hidden_size(base)
        if head.weight.shape != (len(head.forms), width):
            raise GradiendError(
                f"the head is for {head.weight.shape[1]} hidden states, and base model "
                f"'{base.pretrained.name_or_path}' has {width}: delete it and run again"
            )
        self._front = self._leading()
        if len(self._front) + 1 + head.right_window > self.limit:
            raise GradiendError(
                f"mlm_head.right_window {head.right_window} is too long for a base model of {self.limit} positions"
            )

    def encode(
        self, texts: Sequence[str], targets: Sequence[str], ids: Iterable[int], *, too_long: str | None = None
    ) -> list[Slot | None]:
        """The text before the slot, the filler, the window; the target is the number of the form."""
        sides = [text.split(self.placeholder) for text in texts]
        for example, text, parts in zip(ids := list(ids), texts, sides, strict=True):
            if len(parts) != 2:
                raise GradiendError(f"{named(example)}: a text must hold '{self.placeholder}' once: '{text[:60]}'")
        before = [self._before(row, parts[0]) for row, parts in zip(self._ids_of(sides, 0), sides, strict=True)]
        after = self.tokenizer([parts[1] for parts in sides], add_special_tokens=False)["input_ids"] if sides else []
        rows = zip(ids, texts, targets, before, after, strict=True)
        return [self._slot(*row, too_long or self.too_long) for row in rows]

    def logits(self, batch: Batch) -> Tensor:
        """`[examples, forms]`, float32 or better."""
        return self.head(self.pooled(batch))

    def pooled(self, batch: Batch) -> Tensor:
        """The mean of the hidden states from the slot to the end of each text, `[examples, hidden]`."""
        hidden: Tensor = self.backbone(**batch.inputs)[0]  # [examples, tokens, hidden]
        hidden = hidden if hidden.dtype == torch.float64 else hidden.float()
        places = torch.arange(hidden.shape[1], device=hidden.device)
        behind = places >= batch.position.to(hidden.device)[:, None]  # [examples, tokens]
        window = behind.to(hidden) * batch.inputs["attention_mask"].to(hidden)
        weights = window / window.sum(1, keepdim=True)
        return (weights[:, None] @ hidden)[:, 0]

    def _slot(
        self, example: int, text: str, target: str, before: Sequence[int], after: Sequence[int], too_long: str
    ) -> Slot | None:
        if target not in self.head.forms:
            raise GradiendError(
                f"{named(example)}: '{target}' is none of the forms that the head can predict"
                + did_you_mean(target, self.head.forms)
            )
        row = [*before, self.filler, *after[: self.head.right_window]]
        if not self._fits(example, text, len(row), too_long):
            return None
        end = len(row) - len(before)  # of the row, what must not be cut
        front = self._front if len(row) > self.limit else []
        row = [*front, *row[len(row) - self.limit + len(front) :]] if len(row) > self.limit else row
        return Slot(tuple(row), (len(row) - end,), (self.head.forms.index(target),))

    def _ids_of(self, sides: Sequence[Sequence[str]], side: int) -> list[list[int]]:
        return self._ids([parts[side].rstrip() for parts in sides])

    def _before(self, row: list[int], text: str) -> list[int]:
        """Without what some tokenizers put at the end."""
        if not text.strip():
            return self._front
        while row and row[-1] in self.special:
            row = row[:-1]
        return row

    def _leading(self) -> list[int]:
        """What the tokenizer puts at the beginning of every text."""
        (row,) = self._ids(["a"])
        bare = next((i for i, token in enumerate(row) if token not in self.special), 0)
        return row[:bare]


def filler(tokenizer: Any) -> tuple[int, str]:
    """The id and the text of the special token that stands at slots, the first that the tokenizer has of `FILLERS`."""
    for name in FILLERS:
        token = tokenizer.special_tokens_map.get(name)
        if token is not None:
            return int(tokenizer.convert_tokens_to_ids(token)), str(token)
    raise GradiendError("the base model's tokenizer has no special token that could stand at a slot for the head")


def hidden_size(base: CausalLM) -> int:
    """The width of what the base model hands to its own head."""
    head = base.pretrained.get_output_embeddings()
    return int(head.weight.shape[1])
