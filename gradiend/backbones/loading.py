"""Loading base models from a local folder or the Hugging Face hub."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.masked_lm import MaskedLM
from gradiend.backbones.mlm_head import MlmHead, MlmHeadLM
from gradiend.backbones.seq2seq_lm import seq2seq_lm
from gradiend.backbones.sequence_classifier import SequenceClassifier
from gradiend.backbones.slot_model import SlotModel
from gradiend.devices import AUTO, device_map, placement
from gradiend.errors import GradiendError
from gradiend.model_files import folder_hint, require_folder
from gradiend.settings import BaseModel

KINDS: dict[str, tuple[Callable[..., LanguageModel], Any]] = {
    "mlm": (MaskedLM, AutoModelForMaskedLM),
    "clm": (CausalLM, AutoModelForCausalLM),
    MlmHeadLM.objective: (CausalLM, AutoModelForCausalLM),
    "seq2seq": (seq2seq_lm, AutoModelForSeq2SeqLM),
    SequenceClassifier.objective: (SequenceClassifier, AutoModelForSequenceClassification),
}
ARCHITECTURES = {
    "ForMaskedLM": "mlm",
    "ForConditionalGeneration": "seq2seq",
    "T5WithLMHeadModel": "seq2seq",
    "ForCausalLM": "clm",
    "LMHeadModel": "clm",
    "ForSequenceClassification": SequenceClassifier.objective,
}
# What older versions of transformers and other libraries saved below a backbone though it is computed or said elsewhere
# (masks, positions, versions, mDeBERTa's second table), and what only other heads use.
UNUSED = re.compile(r"(^|\.)pooler\.|\.((attn|attention)\.(masked_)?bias|position_ids|inv_freq|version|_weight)$")
MERGE = "merge the adapter into the model and save that (merge_and_unload, save_pretrained)"
WRONG_CONTENT = (LookupError, TypeError, AttributeError)  # of libraries that a file's content surprises
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def load_base_model(settings: BaseModel, *, device: str = AUTO) -> LanguageModel:
    """Load the base model that the settings name, onto `device` ("auto": by the number of GPUs; "map:auto": over all).

    It predicts by its own head, with clm_mlm_head too; see `with_mlm_head`.
    Only safetensors are read. Raises `GradiendError`: nothing there, an adapter, a model that predicts no tokens,
    weights missing from the checkpoint, of another shape, of no use or not finite, no tokenizer.
    """
    name = settings.name
    require_folder(name)
    _refuse_adapter(name)
    spread = device_map(device)
    one = AUTO if spread else device
    where = placement(torch.cuda.device_count(), base_model=one, mps=torch.backends.mps.is_available())
    options: dict[str, Any] = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    try:
        config = AutoConfig.from_pretrained(name, **options)
        named = config.architectures or []
        architectures = [named] if isinstance(named, str) else named
        kind, auto = KINDS[_objective(name, architectures, settings.prediction_objective)]
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
        model, found = auto.from_pretrained(
            name,
            dtype=DTYPES[settings.torch_dtype],
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # so that they can be named
            output_loading_info=True,
            **({"device_map": spread} if spread else {}),
            **options,
        )
    except (OSError, ValueError, ImportError, SafetensorError, *WRONG_CONTENT) as error:
        reason = _reason(error, own_code=settings.trust_remote_code)
        raise GradiendError(
            f"base model '{name}'{_revision(settings)}: cannot be loaded ({reason}){_pickle_hint(name)}"
            f"{folder_hint(name)}"
        ) from error
    _require_complete(name, model, found)
    _require_all_used(name, model, found["unexpected_keys"])
    _require_placed(name, model)
    _require_finite(name, model)
    if not _knows_words(tokenizer):
        raise GradiendError(f"base model '{name}': its tokenizer knows no words: the tokenizer's files are missing")
    if spread is None:
        model.to(where.base_model)
    return kind(model, tokenizer, placeholder=settings.mask_placeholder, too_long=settings.too_long)


def with_mlm_head(base: LanguageModel, settings: BaseModel, mlm_head: Path | None) -> SlotModel:
    """What gradients come through: the base model as it is or, with clm_mlm_head, with the head of that file.

    Raises `GradiendError` where the head is missing, or is given and not asked for.
    """
    asked = settings.prediction_objective == MlmHeadLM.objective
    if asked != (mlm_head is not None):
        missing = "needs" if asked else "has no use for"
        raise GradiendError(f"prediction_objective '{settings.prediction_objective}' {missing} --mlm-head")
    if mlm_head is None or not isinstance(base, CausalLM):
        return base
    return MlmHeadLM(base, MlmHead.load(mlm_head))


def _objective(name: str, architectures: list[str], wanted: str) -> str:
    """How the model predicts: as wanted, which its architecture must be made for, or by its architecture."""
    found = [own for end, own in ARCHITECTURES.items() for name in architectures if name.endswith(end)]
    needed = CausalLM.objective if wanted == MlmHeadLM.objective else wanted
    if wanted in KINDS and (needed in found or not architectures):
        return wanted
    if wanted != "auto" or not found:
        raise GradiendError(
            f"base model '{name}': {', '.join(architectures) or 'no architecture'} with prediction_objective "
            f"'{wanted}': 'mlm' takes masked language models (...ForMaskedLM), 'clm' and 'clm_mlm_head' causal ones "
            "(...ForCausalLM), 'seq2seq' encoder-decoders (...ForConditionalGeneration), 'sequence_classification' "
            "text classifiers (...ForSequenceClassification)"
        )
    return found[0]


def _require_complete(name: str, model: PreTrainedModel, found: dict[str, Any]) -> None:
    for key, stored, expected in found["mismatched_keys"]:
        raise GradiendError(
            f"base model '{name}': '{key}' is {list(stored)} in its checkpoint, and {list(expected)} by its config.json"
        )
    missing = sorted(found["missing_keys"])
    if missing:
        headless = not any(key.startswith(f"{model.base_model_prefix}.") for key in missing)
        raise GradiendError(
            f"base model '{name}': its checkpoint lacks {', '.join(missing[:3])}: "
            + ("it was saved without its prediction head" if headless else "it is not complete")
        )


def _require_all_used(name: str, model: PreTrainedModel, unused: Iterable[str]) -> None:
    """A backbone without some of its weights computes something else; other heads and towers may be there."""
    backbone, prefix = model.base_model, f"{model.base_model_prefix}."
    parts = {part for part, _ in backbone.named_children()}
    computed = {buffer.removeprefix(prefix) for buffer, _ in model.named_buffers()}
    lost = []
    for key in sorted(unused):
        own = key.removeprefix(prefix)  # checkpoints of a backbone alone have none
        if "lora_" in key:
            raise GradiendError(f"base model '{name}': its checkpoint holds '{key}', of an adapter: {MERGE}")
        if own.split(".")[0] in parts and own not in computed and not UNUSED.search(key):
            lost.append(key)
    if lost:
        raise GradiendError(
            f"base model '{name}': its checkpoint holds {', '.join(lost[:3])}, which a model of its config.json does "
            "not have: the config.json should be that of the checkpoint"
        )


def _refuse_adapter(name: str) -> None:
    """Beside a model's weights an adapter would be ignored or, where peft is installed, put over them."""
    if (Path(name) / "adapter_config.json").is_file():
        raise GradiendError(f"base model '{name}': holds an adapter (adapter_config.json): {MERGE}")


def _require_placed(name: str, model: torch.nn.Module) -> None:
    """accelerate puts what fits on no GPU elsewhere, where nothing can be computed or rewritten."""
    away = next((parameter for parameter, tensor in model.named_parameters() if tensor.is_meta), None)
    if away is not None:
        raise GradiendError(
            f"base model '{name}': the GPUs have no room for '{away}': set torch_dtype: bfloat16, or use more GPUs"
        )


def _require_finite(name: str, model: torch.nn.Module) -> None:
    for parameter, tensor in model.named_parameters():
        if not torch.isfinite(tensor).all():
            raise GradiendError(f"base model '{name}': parameter '{parameter}' holds NaN or infinity")


def _knows_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Without its files a tokenizer may still have special tokens and one for white space."""
    special = set(tokenizer.all_special_ids)
    return any(
        str(tokenizer.decode([token])).strip() for token in tokenizer.get_vocab().values() if token not in special
    )


def _revision(settings: BaseModel) -> str:
    return "" if settings.revision is None else f" at revision '{settings.revision}'"


def _pickle_hint(name: str) -> str:
    pickles = (
        any(Path(name).glob("*.bin")) and not any(Path(name).glob("*.safetensors")) if Path(name).is_dir() else False
    )
    return (
        ": weights in pickles (.bin) are never read: load the model and save it with save_pretrained" if pickles else ""
    )


def _reason(error: BaseException, *, own_code: bool) -> str:
    """The first line of an error; `own_code`: the model may have brought the code that failed."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if not isinstance(error, WRONG_CONTENT):
        return text
    what = "a file's content, or the model's own code, is wrong here" if own_code else "a file's content is wrong"
    return f"{what}: {text}"
