"""Trains the demo's masked language model, and measures how well it fills slots.

A small BERT with its own WordPiece tokenizer (uncased, fast), trained from random weights on the texts given, on the
CPU. The folder written loads with `AutoModelForMaskedLM` and `AutoTokenizer`, without any download.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from gradiend.demo import learning
from gradiend.demo.corpus import MASK
from gradiend.demo.learning import MAX_TOKENS, PAD, Built, encoded, train, weighted
from gradiend.errors import GradiendError

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MASK = 4


@dataclass(frozen=True)
class Recipe(learning.Recipe):
    """How the demo's masked language model is built.

    Attributes:
        mask_share: Share of the tokens that is masked and to be predicted, anew in each epoch.
        focus_share: Share of the focus words that is masked.
    """

    mask_share: float = 0.2
    focus_share: float = 0.6


def build(texts: Sequence[str], folder: Path, *, seed: int = 0, recipe: Recipe = Recipe()) -> Built:
    """Trains a tokenizer and a masked language model on the texts and saves both in the folder.

    The same texts, seed, recipe and number of threads give the same weights. The global random state is left as it
    was. Shows its progress on standard error.

    Args:
        texts: Sentences; what exceeds 62 tokens is cut off.
        folder: Where the model and the tokenizer are written (safetensors and JSON); made if missing.
        seed: Decides the initial weights, the order of the texts and the masks.
        recipe: Size and training.

    Raises:
        GradiendError: There are no texts.
    """
    if not texts:
        raise GradiendError("The demo model needs texts to train on, and got none.")
    tokenizer = _tokenizer(texts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertForMaskedLM(_config(len(tokenizer), recipe))
        focus = torch.tensor(tokenizer.convert_tokens_to_ids(list(recipe.focus)), dtype=torch.long)
        losses = train(model, encoded(tokenizer, texts), lambda ids: _loss(model, ids, focus, recipe), recipe)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Built(losses, sum(weights.numel() for weights in model.parameters()), len(tokenizer))


def slot_accuracy(folder: Path, examples: pd.DataFrame, *, batch_size: int = 128) -> float:
    """Share of the examples whose label is the likeliest word of the whole vocabulary at the slot.

    Such a label is also likelier than the alternative, whatever that is.

    Args:
        folder: A masked language model and its tokenizer.
        examples: Columns `masked` (with one `[MASK]`) and `label`; the labels are single tokens.
        batch_size: Texts of one forward pass; has no influence on the result.

    Raises:
        GradiendError: There are no examples, a text has not exactly one slot, or a label is not a single token.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    texts, labels = _slots(examples, tokenizer), _label_ids(examples, tokenizer)
    hits = 0
    for start in range(0, len(texts), batch_size):
        best = _best_at_slot(model, tokenizer, texts[start : start + batch_size])  # [texts]
        hits += int((best == labels[start : start + batch_size]).sum())
    return hits / len(texts)


def _tokenizer(texts: Sequence[str]) -> BertTokenizer:
    """A WordPiece tokenizer that knows every word of the texts, and spells any other with their characters.

    The trainer of `tokenizers` numbers the pieces differently in every process; counting words does not.
    """
    normalize, split = BertNormalizer(lowercase=True), BertPreTokenizer()
    counts = Counter(word for text in texts for word, _ in split.pre_tokenize_str(normalize.normalize_str(text)))
    characters = sorted({character for word in counts for character in word})
    words = sorted(counts, key=lambda word: (-counts[word], word))
    pieces = dict.fromkeys([*_SPECIAL, *characters, *(f"##{character}" for character in characters), *words])
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=MAX_TOKENS)


def _config(vocabulary: int, recipe: Recipe) -> BertConfig:
    """No dropout: the texts are seen a few times only. Small initial weights can leave such a model at chance."""
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=4 * recipe.hidden,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.08,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _masked(ids: Tensor, focus: Tensor, recipe: Recipe) -> Tensor:
    """Which tokens `[texts, tokens]` are masked: drawn, never special tokens, at least one."""
    share = torch.full(ids.shape, recipe.mask_share).masked_fill(torch.isin(ids, focus), recipe.focus_share)
    drawn = torch.rand(ids.shape).masked_fill(ids <= _MASK, 2.0) / share
    return (drawn < 1) | (drawn == drawn.min())


def _loss(model: BertForMaskedLM, ids: Tensor, focus: Tensor, recipe: Recipe) -> Tensor:
    """Weighted mean cross entropy of the tokens drawn to be masked; the head runs at these alone."""
    masked = _masked(ids, focus, recipe)
    hidden = model.bert(ids.masked_fill(masked, _MASK), attention_mask=(ids != PAD).long()).last_hidden_state
    losses = cross_entropy(model.cls(hidden[masked]), ids[masked], reduction="none")  # [masked tokens]
    return weighted(losses, ids[masked], focus, recipe.focus_weight)


def _slots(examples: pd.DataFrame, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The texts, with the tokenizer's own mask token in the slot."""
    if examples.empty:
        raise GradiendError("The slot accuracy needs examples, and got none.")
    wrong = examples[examples["masked"].str.count(re.escape(MASK)) != 1]
    if not wrong.empty:
        raise GradiendError(f"Each text needs exactly one {MASK}; this one has not: {wrong['masked'].iloc[0]!r}")
    return [text.replace(MASK, str(tokenizer.mask_token)) for text in examples["masked"]]


def _label_ids(examples: pd.DataFrame, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """The token id of each label, `[texts]`."""
    ids = {label: tokenizer(label, add_special_tokens=False)["input_ids"] for label in examples["label"].unique()}
    for label, pieces in ids.items():
        if len(pieces) != 1 or pieces[0] == tokenizer.unk_token_id:
            raise GradiendError(f"The label {label!r} is not a single token of the model: {pieces}")
    return torch.tensor([ids[label][0] for label in examples["label"]])


@torch.no_grad()
def _best_at_slot(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Tensor:
    """The likeliest token at the slot of each text, `[texts]`."""
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    logits = model(**inputs).logits  # [texts, tokens, vocabulary]
    best: Tensor = logits[inputs["input_ids"] == tokenizer.mask_token_id].argmax(dim=-1)
    return best
