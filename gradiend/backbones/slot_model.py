"""What every base model offers that predicts something at a slot: texts in, logits at the slot out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gradiend.backbones.products import speed_up
from gradiend.backbones.slots import Batch, Slot, batch_of, head_at, length_sorted_chunks
from gradiend.errors import GradiendError, visible

PADDING_MATTERS = 1e-4  # relative difference of logits; float32 rounding is far below, as half precision is of 0.1


class SlotModel(ABC):
    """A frozen base model that predicts what stands at a slot, in eval mode, with its tokenizer.

    `placeholder` marks the slot in texts; `too_long` says what happens to a text longer than the model allows:
    "error", "cut" or "drop".
    """

    objective: ClassVar[str]

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        placeholder: str = "[MASK]",
        too_long: str = "error",
    ) -> None:
        speed_up(model)
        self.pretrained = model
        self.model: nn.Module = model.eval().requires_grad_(False)
        self.backbone: nn.Module = model.base_model
        self.trunk = self.backbone  # what hands its hidden states to the head
        self.tokenizer: Any = tokenizer
        self.placeholder = placeholder
        self.too_long = too_long
        self.prefix = "" if self.backbone is model else f"{model.base_model_prefix}."
        self.reserved = frozenset(tokenizer.all_special_ids)  # none of them is a word
        self.special: set[int] = set(self.reserved) - {tokenizer.unk_token_id}
        self.limit = _limit(model, tokenizer)
        self.embeddings = self._embedding_names(model)
        self.vocabulary = len(next(model.get_input_embeddings().parameters()))
        self._padding_matters: bool | None = None  # not known yet

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return next(self.model.parameters()).device

    @property
    def inside(self) -> set[nn.Module]:
        """The backbone's modules; where the model has no backbone of its own (T5), all but the head."""
        head = self.pretrained.get_output_embeddings()
        return set(self.backbone.modules()) - (set() if head is None else set(head.modules()))

    def parameters(self) -> dict[str, nn.Parameter]:
        """The backbone's parameters by their names in the full model, in model order; no head parameter."""
        own = {id(parameter) for module in self.inside for parameter in module.parameters(recurse=False)}
        named = self.backbone.named_parameters()
        return {self.prefix + name: parameter for name, parameter in named if id(parameter) in own}

    @abstractmethod
    def encode(
        self, texts: Sequence[str], targets: Sequence[str], ids: Iterable[int], *, too_long: str | None = None
    ) -> list[Slot | None]:
        """Texts with one placeholder and their targets -> slots; None for a text that is to be dropped.

        `too_long` overrides the model's own setting.

        Raises `GradiendError` that names the example's id: an unknown target, a text that is too long, or one that
        has not exactly one slot.
        """

    def batch(self, slots: Sequence[Slot]) -> Batch:
        """Slots as one padded batch on the model's device."""
        return batch_of(slots, self.tokenizer.pad_token_id or 0, self.device)

    def logits(self, batch: Batch) -> Tensor:
        """Logits at the slots only, `[targets, vocabulary]`, float32 or better."""
        with head_at(self.trunk, batch.example, batch.position):
            found: Tensor = self.model(**batch.inputs).logits  # [targets, 1, vocabulary]
        if found.shape[:2] != (len(batch.example), 1):
            kind = type(self.model).__name__
            raise GradiendError(f"{self.pretrained.name_or_path}: the head of {kind} does not work on single positions")
        logits = found[:, 0]
        return logits if logits.dtype == torch.float64 else logits.float()

    def chunks(self, slots: Sequence[Slot], size: int) -> list[list[int]]:
        """Indices of slots in chunks of at most `size` for one forward pass each, of similar length, longest first.

        Where the model's output depends on padding (FNet has no attention mask), none is padded: all of a chunk are
        of one length.
        """
        lengths = [len(slot.ids) for slot in slots]
        chunks = length_sorted_chunks(lengths, size)
        padded = next((chunk for chunk in chunks if lengths[chunk[0]] > lengths[chunk[-1]]), None)
        if padded is not None and self.depends_on_padding(slots[padded[0]], slots[padded[-1]]):
            return length_sorted_chunks(lengths, size, least_filled=1.0)
        return chunks

    @torch.no_grad()
    def depends_on_padding(self, longer: Slot, shorter: Slot) -> bool:
        """Whether the shorter slot's logits differ when it is alone. Asked once: it follows from what the model is."""
        if self._padding_matters is None and len(longer.ids) > len(shorter.ids):  # else nothing is padded
            together = self.batch([longer, shorter])
            padded, alone = self.logits(together)[together.example == 1], self.logits(self.batch([shorter]))
            half = next(self.model.parameters()).dtype.itemsize < 4
            apart, norm = float((padded - alone).norm()), float(alone.norm())
            self._padding_matters = not apart <= PADDING_MATTERS * (1000 if half else 1) * norm
        return bool(self._padding_matters)

    def _known(self, ids: Sequence[int], target: str, example: int | None = None) -> tuple[int, ...]:
        """The ids, if the vocabulary holds them."""
        where = "" if example is None else f"{named(example)}: "
        if not ids or self.tokenizer.unk_token_id in ids:
            raise GradiendError(
                f"{where}label '{visible(target)}' is not in the base model's vocabulary: use a label that it knows"
            )
        if reserved := set(ids) & self.reserved:
            token = self.tokenizer.convert_ids_to_tokens(min(reserved))
            raise GradiendError(
                f"{where}label '{visible(target)}' holds '{token}', a special token of the base model: "
                "use a label of words"
            )
        self._require_embedded(ids, target)
        return tuple(ids)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        if not texts:  # tokenizers fail there
            return []
        rows: list[list[int]] = self.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        for text, row in zip(texts, rows, strict=True):
            self._require_embedded(row, text)
        return rows

    def _require_embedded(self, ids: Sequence[int], text: str) -> None:
        """A tokenizer may have words that the model has not, where one of the two was changed without the other.

        Special tokens, which are at the end of many texts, may yet be taken away.
        """
        if (last := max(set(ids) - self.special, default=0)) >= self.vocabulary:
            raise GradiendError(
                f"base model '{self.pretrained.name_or_path}': token {last} "
                f"('{self.tokenizer.convert_ids_to_tokens(last)}') of '{text[:60]}' is none of its {self.vocabulary}: "
                "its tokenizer is of another model"
            )

    def _fits(self, example: int, text: str, length: int, too_long: str) -> bool:
        """Whether a text of that many tokens is to be used, cut where it is longer than the limit."""
        if length > self.limit and too_long == "error":
            raise GradiendError(
                f"{named(example)}: {length} tokens, the base model allows {self.limit}, in '{text[:60]}': "
                "shorten it, or set data.too_long to cut or drop"
            )
        return length <= self.limit or too_long == "cut"

    def _cut(self, row: list[int], centre: int, limit: int | None = None) -> tuple[list[int], int]:
        """At most `limit` ids: the special ones at both ends and a window around `centre`; and what it shifts by."""
        limit = self.limit if limit is None else limit
        if len(row) <= limit:
            return row, 0
        head = next(i for i, token in enumerate(row) if token not in self.special)
        tail = next(i for i, token in enumerate(reversed(row)) if token not in self.special)
        room = limit - head - tail
        start = min(max(centre - room // 2, head), len(row) - tail - room)
        return [*row[:head], *row[start : start + room], *row[len(row) - tail :]], start - head

    def _embedding_names(self, model: PreTrainedModel) -> tuple[str, ...]:
        """Backbone parameters that are the model's input or (tied) output embeddings."""
        modules = (model.get_input_embeddings(), model.get_output_embeddings())
        own = {id(p) for module in modules if module is not None for p in module.parameters()}
        return tuple(name for name, parameter in self.parameters().items() if id(parameter) in own)


def named(example: int) -> str:
    """How messages name an example, so that its row can be found."""
    return f"example {example} (id in data/examples.parquet: the row of the data, from 0)"


def _limit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that a text may have: the model's positions, less those kept for padding, or its tokenizer's bound."""
    config = model.config.to_dict()
    positions = config.get("max_position_embeddings") or config.get("n_positions") or 10**9
    words = model.get_input_embeddings()
    for module in model.base_model.modules():
        if module is words or not isinstance(module, nn.Embedding) or module.padding_idx is None:
            continue
        if module.num_embeddings == positions:
            positions -= module.padding_idx + 1
            break
    return int(min(positions, tokenizer.model_max_length))
