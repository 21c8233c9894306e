"""Trains the demo's causal language model, and measures how well it tells *he* from *she*.

A small GPT-2 with its own tokenizer (byte-level, so that a word after a space is another token than one without),
trained from random weights on the texts given, on the CPU. The folder written loads with `AutoModelForCausalLM` and
`AutoTokenizer`, without any download.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from gradiend.demo.corpus import MASK
from gradiend.demo.learning import MAX_TOKENS, PAD, Built, Recipe, encoded, train, weighted
from gradiend.errors import GradiendError

_END = "<|endoftext|>"
RECIPE = Recipe(focus=(" he", " she"))


def build(texts: Sequence[str], folder: Path, *, seed: int = 0, recipe: Recipe = RECIPE) -> Built:
    """Trains a tokenizer and a causal language model on the texts and saves both in the folder.

    The same texts, seed, recipe and number of threads give the same weights. The global random state is left as it
    was. Shows its progress on standard error.

    Args:
        texts: Sentences; what exceeds 64 tokens is cut off.
        folder: Where the model and the tokenizer are written (safetensors and JSON); made if missing.
        seed: Decides the initial weights and the order of the texts.
        recipe: Size and training; a focus word stands with the space before it.

    Raises:
        GradiendError: There are no texts.
    """
    if not texts:
        raise GradiendError("The demo model needs texts to train on, and got none.")
    tokenizer = _tokenizer(texts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPT2LMHeadModel(_config(len(tokenizer), recipe))
        focus = torch.tensor([_token(tokenizer, word) for word in recipe.focus], dtype=torch.long)
        losses = train(model, encoded(tokenizer, texts), lambda ids: _loss(model, ids, focus, recipe), recipe)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Built(losses, sum(weights.numel() for weights in model.parameters()), len(tokenizer))


@torch.no_grad()
def pronoun_accuracy(folder: Path, examples: pd.DataFrame, *, batch_size: int = 128) -> float:
    """Share of the examples whose label is likelier than the alternative as the next token after the text before it.

    Where that text does not say who is meant, no model can be right more often than in half of the cases.

    Args:
        folder: A causal language model and its tokenizer.
        examples: Columns `masked` (with `[MASK]` after a space), `label` and `alternative`, each a single token.
        batch_size: Texts of one forward pass; has no influence on the result.

    Raises:
        GradiendError: There are no examples, or a label is not a single token.
    """
    if examples.empty:
        raise GradiendError("The accuracy needs examples, and got none.")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    texts = encoded(tokenizer, [text.partition(MASK)[0].rstrip() for text in examples["masked"]])
    label, alternative = (
        torch.tensor([_token(tokenizer, f" {word}") for word in examples[column]])
        for column in ("label", "alternative")
    )
    hits = 0
    for start in range(0, len(texts), batch_size):
        part = texts[start : start + batch_size]
        last = torch.tensor([len(text) - 1 for text in part])
        logits = model(pad_sequence(part, batch_first=True, padding_value=PAD)).logits  # [texts, tokens, vocabulary]
        after, rows = logits[torch.arange(len(part)), last], torch.arange(len(part))  # [texts, vocabulary]
        stop = start + batch_size
        hits += int((after[rows, label[start:stop]] > after[rows, alternative[start:stop]]).sum())
    return hits / len(texts)


def _tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level, knows every word of the texts, with the space before it, and spells any other with its bytes.

    The trainer of `tokenizers` numbers the pieces differently in every process; counting words does not.
    """
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    counts = Counter(word for text in texts for word, _ in split.pre_tokenize_str(text))
    words = sorted(counts, key=lambda word: (-counts[word], word))
    spelled = sorted(set(pre_tokenizers.ByteLevel.alphabet()) - set(words))
    scores = {_END: 0.0, **dict.fromkeys(words, -1.0), **dict.fromkeys(spelled, -100.0)}  # whole words win
    tokenizer = Tokenizer(models.Unigram(list(scores.items())))
    tokenizer.pre_tokenizer, tokenizer.decoder = split, decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=_END, eos_token=_END, model_max_length=MAX_TOKENS
    )


def _token(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    """The id of a single token."""
    ids: list[int] = tokenizer(word)["input_ids"]
    if len(ids) != 1:
        raise GradiendError(f"The label {word!r} is not a single token of the model: {ids}")
    return ids[0]


def _config(vocabulary: int, recipe: Recipe) -> GPT2Config:
    """No dropout: the texts are seen a few times only. Small initial weights can leave such a model at chance."""
    return GPT2Config(
        vocab_size=vocabulary,
        n_embd=recipe.hidden,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        n_positions=MAX_TOKENS,
        initializer_range=0.08,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=PAD,
        eos_token_id=PAD,
    )


def _loss(model: GPT2LMHeadModel, ids: Tensor, focus: Tensor, recipe: Recipe) -> Tensor:
    """Weighted mean cross entropy of every real token but the first; padding stands on the right, unseen."""
    real = ids[:, 1:] != PAD
    hidden = model.transformer(ids).last_hidden_state[:, :-1][real]  # [real tokens, hidden]
    wanted = ids[:, 1:][real]
    losses = cross_entropy(model.lm_head(hidden), wanted, reduction="none")
    return weighted(losses, wanted, focus, recipe.focus_weight)
