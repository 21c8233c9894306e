"""Base models with random weights and texts of random tokens, of the sizes that the benchmarks compare."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, GPT2Config, GPT2LMHeadModel

from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.masked_lm import MaskedLM
from gradiend.backbones.slots import Batch, Slot, losses
from gradiend.config import parse_config
from gradiend.gradients.capture import Pair
from gradiend.resolution import stage_settings
from gradiend.space import ParameterSpace

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MASK, FIRST_WORD = 4, 5
TINY = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
SIZES = {
    "tiny BERT": lambda: BertForMaskedLM(BertConfig(vocab_size=2_000, **TINY)),
    "BERT-base": lambda: BertForMaskedLM(BertConfig()),
    "GPT-2 small": lambda: GPT2LMHeadModel(GPT2Config()),
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def base_model(size: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> LanguageModel:
    """A base model of a size in `SIZES`, its weights random."""
    torch.manual_seed(0)
    model = SIZES[size]().to(device, dtype)
    words = model.get_input_embeddings().num_embeddings
    pieces = [*SPECIAL, *(f"w{i}" for i in range(words - len(SPECIAL)))]
    kind = MaskedLM if isinstance(model, BertForMaskedLM) else CausalLM
    return kind(model, BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=512))


def without_products(base: LanguageModel) -> None:
    """Take back what `products.speed_up` did: the modules compute by torch's own forward again."""
    for module in base.model.modules():
        module.__dict__.pop("forward", None)


def pairs(base: LanguageModel, count: int, tokens: int) -> list[Pair]:
    """Texts of exactly so many tokens with one slot: in the middle, or after the text."""
    found = []
    for ids in random_ids(base, count, tokens):
        position = tokens // 2 if base.objective == "mlm" else tokens - 1
        if base.objective == "mlm":
            ids[position] = MASK
        factual, alternative = (Slot(tuple(ids), (position,), (FIRST_WORD + i,)) for i in range(2))
        found.append(Pair(factual, alternative))
    return found


def random_ids(base: LanguageModel, count: int, tokens: int) -> list[list[int]]:
    """The tokens of some texts, none of them special or a target of `pairs`."""
    words = base.pretrained.get_input_embeddings().num_embeddings
    generator = torch.Generator().manual_seed(1)
    found: list[list[int]] = torch.randint(FIRST_WORD + 2, words, (count, tokens), generator=generator).tolist()
    return found


def space(base: LanguageModel, share: float) -> ParameterSpace:
    """A random share of the entries outside the embeddings, whose gradients would be cheap."""
    names = {
        name: p for name, p in base.parameters().items() if not any(w in name for w in ("embeddings", "wte", "wpe"))
    }
    whole = ParameterSpace.of(names)
    if share == 1:
        return whole
    order = torch.randperm(whole.input_dim, generator=torch.Generator().manual_seed(2))
    return whole.select(order[: round(share * whole.input_dim)].sort().values)


def train_settings(**arguments: Any) -> Any:
    """The settings of the train stage for these training arguments, everything else as by default."""
    config = {"experiment_dir": "-", "model": "-", "data": {"source": "-"}, "target_classes": ["a", "b"]}
    config["training_arguments"] = {"use_cached_gradients": True} | arguments
    return stage_settings("train", parse_config(config, "benchmark"))


def autograd_row(base: LanguageModel, names: Sequence[str], positions: Tensor, batch: Batch, target: Tensor) -> Tensor:
    """The gradient of the mean loss over a batch by plain autograd: one vector of the whole width, then indexed."""
    parameters = {name: base.parameters()[name] for name in names}
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    with torch.enable_grad():
        logits = base.model(**batch.inputs).logits[batch.example, batch.position]
        losses(logits, batch, target).mean().backward()
    whole = torch.cat([parameter.grad.flatten() for parameter in parameters.values() if parameter.grad is not None])
    for parameter in parameters.values():
        parameter.requires_grad_(False).grad = None
    return whole[positions]


def floor(base: LanguageModel, examples: Sequence[Pair]) -> None:
    """One forward pass and two backward passes through the activations alone, on the batch that the rows use."""
    batch = base.batch([pair.factual for pair in examples])
    other = base.batch([pair.alternative for pair in examples]).target
    roots: list[Tensor] = []

    def start(module: torch.nn.Module, inputs: object, output: Tensor) -> Tensor:
        roots.append(output.detach().requires_grad_(True))
        return roots[-1]

    name = "bert.embeddings" if base.objective == "mlm" else "transformer.drop"
    handle = base.model.get_submodule(name).register_forward_hook(start)
    with torch.enable_grad():
        logits = base.logits(batch)
        torch.autograd.grad(losses(logits, batch).sum(), roots, retain_graph=True)
        torch.autograd.grad(losses(logits, batch, other).sum(), roots)
    handle.remove()
