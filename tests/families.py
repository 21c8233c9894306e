"""Tiny random models of many architectures, made from their configuration classes."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from tiny import NEUTRAL_TEXTS, PIECES, seeded, tiny_examples, tiny_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import (
    AddedToken,
    AlbertConfig,
    AlbertForMaskedLM,
    BartConfig,
    BartForConditionalGeneration,
    BartForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForMaskedLM,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForCausalLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    MT5Config,
    MT5ForConditionalGeneration,
    OPTConfig,
    OPTForCausalLM,
    PegasusConfig,
    PegasusForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.masked_lm import MaskedLM
from gradiend.backbones.seq2seq_lm import seq2seq_lm
from gradiend.backbones.sequence_classifier import SequenceClassifier

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
    "BERT": lambda n: BertForMaskedLM(BertConfig(vocab_size=n, **SIZES)),
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


def untied(model: PreTrainedModel) -> PreTrainedModel:
    """With a head of its own, as T5 v1.1 and mT5 are on disk: their configuration classes tie always."""
    model.get_output_embeddings().weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach().clone())
    return model


T5: dict[str, Any] = {
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 2,
    "num_heads": 2,
    "decoder_start_token_id": 0,
}
GATED = T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
BART: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": POSITIONS,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": 2,
}
SEQ2SEQ: dict[str, Build] = {
    "T5": lambda n: T5ForConditionalGeneration(T5Config(vocab_size=n, **T5)),
    "T5 v1.1": lambda n: untied(T5ForConditionalGeneration(T5Config(vocab_size=n, **GATED))),
    "mT5": lambda n: untied(MT5ForConditionalGeneration(MT5Config(vocab_size=n, **GATED))),
    "BART": lambda n: BartForConditionalGeneration(BartConfig(vocab_size=n, **BART)),
    "Pegasus": lambda n: PegasusForConditionalGeneration(PegasusConfig(vocab_size=n, **BART)),
}


THREE: dict[str, Any] = {"id2label": {0: "female", 1: "male", 2: "plural"}}
LABELS = "0 'female', 1 'male', 2 'plural'"
TINY_GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS} | SPECIAL
CLASSIFIERS: dict[str, Build] = {
    "BERT classifier": lambda n: BertForSequenceClassification(BertConfig(vocab_size=n, **SIZES, **THREE)),
    "RoBERTa classifier": lambda n: RobertaForSequenceClassification(RobertaConfig(vocab_size=n, **SIZES, **THREE)),
    "DistilBERT classifier": lambda n: DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=n, **DISTIL, **THREE)
    ),
    "BART classifier": lambda n: BartForSequenceClassification(BartConfig(vocab_size=n, **BART, **THREE)),
    "GPT-2 classifier": lambda n: GPT2ForSequenceClassification(GPT2Config(vocab_size=n, **TINY_GPT2, **THREE)),
    "Llama classifier": lambda n: LlamaForSequenceClassification(
        LlamaConfig(vocab_size=n, **LLAMA, **SPECIAL, **THREE)
    ),
}


@lru_cache
def sentinel_tokenizer() -> T5Tokenizer:
    """Like T5's: word starts are marked, `<extra_id_0>` and 19 more are sentinels. "stewardess" is two tokens."""
    starts = [f"\u2581{piece}" for piece in PIECES if not piece.startswith("##")]
    inner = [piece.removeprefix("##") for piece in PIECES]
    words = dict.fromkeys([*starts, *inner])
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -20.0)]
    sentinels = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(20))]
    vocabulary = [*special, *((word, -1.0 if word in starts else -2.0) for word in words), *sentinels]
    return T5Tokenizer(vocab=vocabulary, extra_ids=20, model_max_length=POSITIONS)


@lru_cache
def infilling_tokenizer() -> PreTrainedTokenizerFast:
    """Like BART's: byte-level BPE, a token at both ends of a text, and a mask token that takes the space before it."""
    tokenizer = byte_level_bpe(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    ends = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token=mask, model_max_length=POSITIONS, **ends)


@lru_cache
def causal_tokenizer() -> PreTrainedTokenizerFast:
    """Like GPT-2's: byte-level BPE, one special token."""
    end = "<|endoftext|>"
    tokenizer = byte_level_bpe([end])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, model_max_length=POSITIONS)


def byte_level_bpe(special: list[str]) -> Tokenizer:
    """Trained on the tests' texts; a word after a space is another token than one without."""
    examples = tiny_examples()
    texts = [text.replace("[MASK]", word) for text, word in zip(examples["masked"], examples["factual"], strict=True)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=289 + len(special),
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, *NEUTRAL_TEXTS] * 20, trainer)
    return tokenizer


def family(name: str, dtype: torch.dtype = torch.float32) -> LanguageModel:
    """A new base model of a family in `MASKED`, `CAUSAL`, `SEQ2SEQ` or `CLASSIFIERS`, always with the same weights."""
    if name in MASKED:
        tokenizer = tiny_tokenizer()
        return MaskedLM(seeded(lambda: MASKED[name](len(tokenizer))).to(dtype), tokenizer)
    if name in SEQ2SEQ:
        own = infilling_tokenizer() if name in ("BART", "Pegasus") else sentinel_tokenizer()
        return seq2seq_lm(seeded(lambda: SEQ2SEQ[name](len(own))).to(dtype), own)
    if name in CLASSIFIERS:
        kinds = {"BERT": tiny_tokenizer, "BART": infilling_tokenizer}
        words = next((own() for kind, own in kinds.items() if kind in name), causal_tokenizer())
        return SequenceClassifier(seeded(lambda: CLASSIFIERS[name](len(words))).to(dtype), words)
    words = causal_tokenizer()
    return CausalLM(seeded(lambda: CAUSAL[name](len(words))).to(dtype), words)
