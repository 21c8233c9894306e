"""Tiny random models of many architectures, made from their configuration classes."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from tiny import NEUTRAL_TEXTS, seeded, tiny_examples, tiny_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaForMaskedLM,
)

from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.masked_lm import MaskedLM

POSITIONS = 64
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": POSITIONS,
}
LLAMA = SIZES | {"num_key_value_heads": 1, "head_dim": 8}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
Build = Callable[[int], PreTrainedModel]  # vocabulary -> model


ALBERT = SIZES | {"embedding_size": 8}
MODERN = SIZES | {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": POSITIONS}
DEBERTA = SIZES | {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 8,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
}
MASKED: dict[str, Build] = {
    "RoBERTa": lambda n: RobertaForMaskedLM(RobertaConfig(vocab_size=n, **SIZES)),
    "DistilBERT": lambda n: DistilBertForMaskedLM(DistilBertConfig(vocab_size=n, **DISTIL)),
    "ALBERT": lambda n: AlbertForMaskedLM(AlbertConfig(vocab_size=n, **ALBERT)),
    "ELECTRA": lambda n: ElectraForMaskedLM(ElectraConfig(vocab_size=n, **ALBERT)),
    "DeBERTa-v3": lambda n: DebertaV2ForMaskedLM(DebertaV2Config(vocab_size=n, **DEBERTA)),
    "ModernBERT": lambda n: ModernBertForMaskedLM(ModernBertConfig(vocab_size=n, **MODERN)),
}
CAUSAL: dict[str, Build] = {
    "GPT-2": lambda n: GPT2LMHeadModel(
        GPT2Config(vocab_size=n, n_embd=16, n_layer=2, n_head=2, n_positions=POSITIONS, **SPECIAL)
    ),
    "Llama": lambda n: LlamaForCausalLM(LlamaConfig(vocab_size=n, **LLAMA, **SPECIAL)),
    "Mistral": lambda n: MistralForCausalLM(MistralConfig(vocab_size=n, **LLAMA, **SPECIAL)),
    "Qwen2": lambda n: Qwen2ForCausalLM(
        Qwen2Config(vocab_size=n, tie_word_embeddings=True, **SIZES, num_key_value_heads=1, **SPECIAL)
    ),
    "Qwen3": lambda n: Qwen3ForCausalLM(Qwen3Config(vocab_size=n, tie_word_embeddings=True, **LLAMA, **SPECIAL)),
    "Gemma": lambda n: GemmaForCausalLM(GemmaConfig(vocab_size=n, **LLAMA, **SPECIAL)),
    "GPT-NeoX": lambda n: GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=n, **SIZES, **SPECIAL)),
    "OPT": lambda n: OPTForCausalLM(
        OPTConfig(
            vocab_size=n,
            hidden_size=16,
            word_embed_proj_dim=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            ffn_dim=32,
            max_position_embeddings=POSITIONS,
            **SPECIAL | {"pad_token_id": 1},
        )
    ),
}


@lru_cache
def causal_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE like GPT-2's, of the tests' texts: a word after a space is another token than one without."""
    examples = tiny_examples()
    texts = [text.replace("[MASK]", word) for text, word in zip(examples["masked"], examples["factual"], strict=True)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, *NEUTRAL_TEXTS] * 20, trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, model_max_length=POSITIONS)


def family(name: str, dtype: torch.dtype = torch.float32) -> LanguageModel:
    """A new base model of an architecture in `MASKED` or `CAUSAL`, always with the same weights."""
    if name in MASKED:
        tokenizer = tiny_tokenizer()
        return MaskedLM(seeded(lambda: MASKED[name](len(tokenizer))).to(dtype), tokenizer)
    words = causal_tokenizer()
    return CausalLM(seeded(lambda: CAUSAL[name](len(words))).to(dtype), words)
