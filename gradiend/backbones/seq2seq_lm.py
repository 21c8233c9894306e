"""Sequence-to-sequence models: the slot is one mask token in the encoder's text, and the decoder says what it hides."""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from itertools import repeat
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.slots import Slot
from gradiend.backbones.two_sided_lm import TwoSidedLM
from gradiend.errors import GradiendError

SENTINELS = 100
LONGEST = 512  # scored tokens of a neutral text: 15 % of them never need more sentinels than there are


class Seq2SeqLM(TwoSidedLM):
    """An encoder-decoder, asked as it was pretrained: text with a span hidden in, the span out.

    The decoder is teacher-forced through `start` and what it writes before the target, then through the target.
    Tokens of a neutral text that stand side by side are hidden as one span; what is scored is the top prediction
    at each token of the spans.
    """

    objective = "seq2seq"

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, mask: int, mask_token: str, **options: Any
    ) -> None:
        super().__init__(model, tokenizer, mask, mask_token, **options)
        start: int | None = model.config.decoder_start_token_id
        if start is None:
            raise GradiendError(f"base model '{model.name_or_path}': its config.json has no decoder_start_token_id")
        self.start = start
        self.trunk = model.get_decoder()

    @abstractmethod
    def written(self, row: Sequence[int], position: int) -> Sequence[int]:
        """What the decoder writes before the target that the mask at a position of the encoder's ids hides."""

    def masks(self, count: int) -> int:
        """One, whatever it hides."""
        return 1

    def slot(self, row: Sequence[int], positions: Sequence[int], target: tuple[int, ...]) -> Slot:
        """Asked where the decoder goes on to the target; the positions are those of the decoder's ids."""
        written = self.written(row, positions[0])
        asked = tuple(range(len(written), len(written) + len(target)))
        return Slot(tuple(row), asked, target, (self.start, *written, *target[:-1]))


class SentinelLM(Seq2SeqLM):
    """T5 and its kin: `then <extra_id_0> said` in, `<extra_id_0> she` out.

    The decoder sees its start token and the sentinel, and predicts the target. Each span of a neutral text has a
    sentinel of its own.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any) -> None:
        self.sentinels = sentinels(tokenizer)
        super().__init__(model, tokenizer, self.sentinels[0], "<extra_id_0>", **options)

    def written(self, row: Sequence[int], position: int) -> Sequence[int]:
        """The sentinel."""
        return (self.mask,)

    def language_slots(self, texts: Sequence[str], skip: Sequence[Sequence[int]] | None = None) -> list[Slot]:
        """Of each text no more tokens than the sentinels suffice for."""
        return [_first(slot, LONGEST) for slot in super().language_slots(texts, skip)]

    def at(self, slot: Slot, chosen: Sequence[int]) -> Slot:
        """Span after span in the decoder, each behind its sentinel."""
        hidden = {slot.positions[i] for i in chosen}
        marks, decoder, positions = iter(self.sentinels), [self.start], []
        for i in sorted(hidden):
            if i - 1 not in hidden:
                decoder.append(next(marks))
            positions.append(len(decoder) - 1)
            decoder.append(slot.ids[i])
        ids = _hidden(slot.ids, hidden, iter(self.sentinels))
        return Slot(ids, tuple(positions), tuple(slot.targets[i] for i in chosen), tuple(decoder[:-1]))


class InfillingLM(Seq2SeqLM):
    """BART and its kin: `then <mask> said` in, the whole text out.

    The decoder sees its start token and the text up to the slot, and predicts the target; what follows the slot it
    knows from the encoder.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any) -> None:
        if tokenizer.mask_token_id is None:
            raise GradiendError(
                f"base model '{model.name_or_path}': its tokenizer has neither <extra_id_0>, as T5's, nor a mask "
                "token, as BART's: nothing to put at a slot"
            )
        super().__init__(model, tokenizer, tokenizer.mask_token_id, tokenizer.mask_token, **options)

    def written(self, row: Sequence[int], position: int) -> Sequence[int]:
        """The text before the slot."""
        return row[:position]

    def at(self, slot: Slot, chosen: Sequence[int]) -> Slot:
        """The whole text in the decoder, as far as it is needed."""
        asked = tuple(slot.positions[i] for i in chosen)
        ids = _hidden(slot.ids, set(asked), repeat(self.mask))
        return Slot(ids, asked, tuple(slot.targets[i] for i in chosen), (self.start, *slot.ids[: asked[-1]]))


def seq2seq_lm(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any) -> LanguageModel:
    """The model as it was pretrained: with sentinels where its tokenizer has them, else with its mask token."""
    kind = SentinelLM if sentinels(tokenizer) else InfillingLM
    return kind(model, tokenizer, **options)


def sentinels(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids of `<extra_id_0>`, `<extra_id_1>`, ... as far as each is one token."""
    names = [f"<extra_id_{i}>" for i in range(SENTINELS)]
    found: list[int] = []
    for ids in tokenizer(names, add_special_tokens=False)["input_ids"]:
        if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
            break
        found += ids
    return found


def _first(slot: Slot, count: int) -> Slot:
    """The slot, asking for no token behind the first `count` of its text."""
    asked = tuple(position for position in slot.positions if position < count)
    return Slot(slot.ids, asked, slot.targets[: len(asked)])


def _hidden(ids: Sequence[int], hidden: Collection[int], marks: Iterator[int]) -> tuple[int, ...]:
    """The ids with one mark instead of each span of hidden positions."""
    result: list[int] = []
    for i, token in enumerate(ids):
        if i not in hidden:
            result.append(token)
        elif i - 1 not in hidden:
            result.append(next(marks))
    return tuple(result)
