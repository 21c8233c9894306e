"""A tiny BERT with its own tokenizer, and a few examples and neutral texts in its vocabulary."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import torch
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, PreTrainedModel

from gradiend.backbones.masked_lm import MaskedLM
from gradiend.backbones.slots import Slot, losses
from gradiend.gradients.capture import Pair
from gradiend.gradients.live import encode_pairs
from gradiend.settings import BaseModel
from gradiend.space import ParameterSpace

M = TypeVar("M", bound=PreTrainedModel)
CLASSES = ("female", "male")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PIECES = [
    "she",
    "he",
    "her",
    "him",
    "man",
    "wo",
    "##man",
    "steward",
    "##ess",
    "it",
    "they",
    "them",
    "the",
    "a",
    "an",
    "and",
    "but",
    "with",
    "to",
    "at",
    "in",
    "on",
    "from",
    ".",
    ",",
    "!",
    "?",
    "doctor",
    "nurse",
    "king",
    "queen",
    "cat",
    "dog",
    "house",
    "tree",
    "river",
    "said",
    "saw",
    "met",
    "calls",
    "likes",
    "knows",
    "went",
    "came",
    "was",
    "is",
    "very",
    "old",
    "young",
    "happy",
    "tired",
    "home",
    "away",
    "today",
    "then",
    "(",
    ")",
]
LIMIT = 24  # tokens of a text
NOUNS = ("tree", "house", "king", "queen")
NEUTRAL_TEXTS = [f"the old dog saw the {noun} and the young cat at the river ." for noun in NOUNS]
SOURCES = ("factual", "alternative", "diff")
M = TypeVar("M", bound=PreTrainedModel)


@lru_cache
def tiny_tokenizer(mask_token: str = "[MASK]") -> BertTokenizer:
    """Uncased WordPiece. "woman" and "stewardess" are two tokens; a word that is not in `PIECES` is unknown."""
    special = [mask_token if piece == "[MASK]" else piece for piece in SPECIAL]
    vocabulary = {piece: i for i, piece in enumerate([*special, *PIECES])}
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, mask_token=mask_token, model_max_length=LIMIT)


def tiny_bert(dtype: torch.dtype = torch.float32, tie: bool = True, layers: int = 2) -> BertForMaskedLM:
    """Always the same weights, up to rounding to `dtype`."""
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(PIECES),
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LIMIT,
        tie_word_embeddings=tie,
    )
    return seeded(lambda: BertForMaskedLM(config)).to(dtype)


def seeded(build: Callable[[], M]) -> M:
    """The model that `build` makes, always with the same weights; no weight, no bias either, stays 0 or 1."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        model = build()
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    return model


def tiny_masked_lm(dtype: torch.dtype = torch.float32, tie: bool = True, layers: int = 2) -> MaskedLM:
    """A new base model, so that a test may change it."""
    return MaskedLM(tiny_bert(dtype, tie, layers), tiny_tokenizer())


def save_tiny_model(folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """The tiny model as a Hugging Face folder."""
    tiny_bert(dtype).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@lru_cache
def _learnt_weights() -> dict[str, Tensor]:
    """The weights after a short training on the texts of the examples and the neutral texts."""
    base, stories = tiny_masked_lm(), story_examples()
    texts = [text.replace("[MASK]", word) for text, word in zip(stories["masked"], stories["label"], strict=True)]
    batch = base.tokenizer([*texts, *story_neutral()["text"], *NEUTRAL_TEXTS], return_tensors="pt", padding=True)
    ids, mask = batch["input_ids"], base.tokenizer.mask_token_id
    optimiser = torch.optim.AdamW(base.model.requires_grad_(True).parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        masked = (torch.rand(ids.shape, generator=generator) < 0.2) & (ids >= len(SPECIAL))
        logits = base.model(ids.masked_fill(masked, mask), batch["attention_mask"]).logits
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits[masked], ids[masked]).backward()
        optimiser.step()
    return base.model.state_dict()


def learnt_masked_lm() -> MaskedLM:
    """A tiny model that has learnt the texts of the tests, so that its LMS is well above 0."""
    base = tiny_masked_lm()
    base.model.load_state_dict(_learnt_weights())
    return base


def save_learnt_model(folder: Path) -> Path:
    """The learnt model as a Hugging Face folder."""
    learnt_masked_lm().save_pretrained(folder)
    return folder


def base_model_settings(folder: Path | str = "unused", **changes: Any) -> BaseModel:
    """The settings that load a model folder as it is."""
    defaults = {"name": str(folder), "revision": None, "trust_remote_code": False, "torch_dtype": "float32"}
    defaults |= {"prediction_objective": "auto", "mask_placeholder": "[MASK]", "too_long": "error", "model_digest": "m"}
    defaults |= {"mlm_head": None}
    return BaseModel(**(defaults | changes))


def tiny_examples() -> pd.DataFrame:
    """Both transitions and an identity class in all splits; texts of several lengths, targets of one and two tokens."""
    texts = (
        "then [MASK] said .",
        "the old doctor met the cat and [MASK] was very happy today .",
        "[MASK] calls the nurse",
        "the king knows that ( [MASK] ) likes a young dog",
        "a [MASK] came home",
    )
    words = {"female": ("she", "her", "woman", "stewardess"), "male": ("he", "him", "man", "steward")}
    rows = []
    for split, each in (("train", 5), ("validation", 3), ("test", 2)):
        for name, other in (CLASSES, CLASSES[::-1]):
            for i in range(each):
                rows.append((split, texts[i], words[name][i % 4], words[other][i % 4], name, other))
        rows.append((split, texts[0], "they", "they", "plural", "plural"))
    columns = ["split", "masked", "factual", "alternative", "factual_class", "alternative_class"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "id", range(len(table)))
    batches = [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]
    table["batch"] = pd.Series([*batches, *[None] * (len(table) - len(batches))], dtype="Int64")
    return table


def story_examples() -> pd.DataFrame:
    """Columns of a data file; 36 texts a class, none of them twice, in which the noun tells the class."""
    nouns = {"she": ("nurse", "queen", "cat"), "he": ("doctor", "king", "dog"), "they": ("house", "tree", "river")}
    names = {"she": "female", "he": "male", "they": "plural"}
    rows = []
    for label, own in nouns.items():
        texts = [
            f"the {adjective} {noun} {verb} home {when} and [MASK] was happy ."
            for when in ("today", "then")
            for adjective in ("old", "young", "tired")
            for verb in ("came", "went")
            for noun in own
        ]
        splits = ("train", "train", "validation", "test")
        rows += [(text, splits[i % 4], label, names[label]) for i, text in enumerate(texts)]
    return pd.DataFrame(rows, columns=["masked", "split", "label", "label_class"])


def story_neutral() -> pd.DataFrame:
    """Columns of a neutral file: 48 texts, none of them with a word of the classes."""
    texts = [
        f"the {adjective} {first} and the {second} {verb} {place} ."
        for adjective in ("old", "young")
        for first, second in (("tree", "river"), ("house", "tree"), ("river", "house"))
        for verb in ("was", "came", "went", "is")
        for place in ("at home", "away today")
    ]
    return pd.DataFrame({"text": texts, "split": [("validation", "test")[i % 2] for i in range(len(texts))]})


def tiny_neutral() -> pd.DataFrame:
    """Texts of validation and test, every third of them with a slot."""
    texts = (
        "the tree is at the river .",
        "a dog and a cat saw the old house , then went away !",
        "it was a very young king",
        "they came from the river and from the tree .",
        "the cat is tired",
        "is the doctor at home ?",
    )
    rows = []
    for i, text in enumerate(texts):
        first, rest = text.split(" ", 1)
        slot = (f"[MASK] {rest}", first) if i % 3 == 0 else (None, None)
        rows.append((i, "validation" if i % 2 else "test", text, *slot))
    return pd.DataFrame(rows, columns=["id", "split", "text", "masked", "factual"])


def labelled_examples() -> pd.DataFrame:
    """As `tiny_examples`, for classifiers: whole texts, whose label is their class."""
    table = tiny_examples()
    whole = [text.replace("[MASK]", word) for text, word in zip(table["masked"], table["factual"], strict=True)]
    return table.assign(masked=whole, factual=table["factual_class"], alternative=table["alternative_class"])


def tiny_pairs(base: MaskedLM, examples: pd.DataFrame | None = None) -> list[Pair]:
    """The pairs of slots of some examples, by default of all training examples."""
    own = labelled_examples if base.objective == "sequence_classification" else tiny_examples
    table = own().query("split == 'train'") if examples is None else examples
    return [pair for pair in encode_pairs(base, table) if pair is not None]


def whole_space(base: MaskedLM) -> ParameterSpace:
    """All entries of all backbone parameters."""
    return ParameterSpace.of(base.parameters())


def random_space(base: MaskedLM, share: float) -> ParameterSpace:
    """A seeded share of all entries, at least one."""
    whole = whole_space(base)
    order = torch.randperm(whole.input_dim, generator=torch.Generator().manual_seed(2))
    return whole.select(order[: max(1, round(share * whole.input_dim))].sort().values)


def autograd_rows(base: MaskedLM, space: ParameterSpace, slots: Sequence[Slot]) -> Tensor:
    """The gradient of each slot's loss by plain autograd, unpadded and one at a time, `[slots, input_dim]`."""
    parameters = {name: base.parameters()[name] for name in space.shapes}
    rows = []
    for slot in slots:
        batch = base.batch([slot])
        base.model.requires_grad_(True)
        logits = base.model(**batch.inputs).logits  # the full model, no hooks
        if base.objective != "sequence_classification":
            logits = logits[batch.example, batch.position]
        found = torch.autograd.grad(losses(logits, batch).sum(), list(parameters.values()), allow_unused=True)
        base.model.requires_grad_(False)
        gradients = {
            name: torch.zeros_like(parameter) if gradient is None else gradient
            for (name, parameter), gradient in zip(parameters.items(), found, strict=True)
        }
        rows.append(space.gather(gradients))
    return torch.stack(rows)


def relative_error(found: Tensor, true: Tensor) -> float:
    """Of the norm of the worst row, `[..., input_dim]`."""
    difference = (found.double() - true.double()).norm(dim=-1)
    return float((difference / true.double().norm(dim=-1)).max())
