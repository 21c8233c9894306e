"""Base model and training examples -> the importance of every entry of the selected parameters."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.backbones.slot_model import SlotModel
from gradiend.devices import AUTO
from gradiend.errors import GradiendError
from gradiend.files import replacing
from gradiend.gradients.importance import even_sample, importance
from gradiend.gradients.live import encode_pairs
from gradiend.labels import labels
from gradiend.settings import BaseModel, CacheImportance
from gradiend.space import select_parameters
from gradiend.stages.command import main
from gradiend.tables import read_examples
from gradiend.tensor_files import save_tensors


def run(
    *,
    settings: CacheImportance,
    examples: Path,
    mlm_head: Path | None = None,
    eval_batch_size: int = 32,
    device: str = AUTO,
    out: Path,
) -> str:
    """Write `importance.safetensors`: one float32 tensor per selected parameter, its order in the metadata."""
    base = with_mlm_head(load_base_model(settings.base_model, device=device), settings.base_model, mlm_head)
    sample = even_sample(read_examples(examples), settings.target_classes, settings.n_samples, settings.seed)
    drawn, pairs = len(sample), encode_pairs(base, sample)
    sample = sample[np.array([pair is not None for pair in pairs], dtype=bool)]
    if sample.empty:
        raise GradiendError(f"{examples}: the base model can use none of the examples drawn for the importance")
    names = select_parameters(list(base.parameters()), settings.params)
    with tqdm(total=len(sample), desc="importance", unit="example", mininterval=5) as bar:
        result = importance(
            base,
            names,
            [pair for pair in pairs if pair is not None],
            labels(sample, settings.source, settings.target_classes).tolist(),
            source=settings.source,
            kind=settings.importance,
            batch_size=eval_batch_size,
            progress=bar.update,
        )
    about = about_base_model(settings.base_model, base) | {"importance": dataclasses.asdict(settings)}
    about["importance"].pop("base_model")
    with replacing(out) as temporary:
        save_tensors(temporary, result, {"order": names, "about": about})
    entries = sum(tensor.numel() for tensor in result.values())
    remarks = _remarks(settings.n_samples, drawn, pairs.count(None))
    return f"cache_importance: {settings.importance} of {entries} entries from {len(sample)} examples{remarks}"


def _remarks(asked: int, drawn: int, dropped: int) -> str:
    """Why there are fewer examples than n_samples, if so."""
    remarks = [f"n_samples is {asked}, the rarer transition has no more training examples"] if drawn < asked else []
    remarks += [f"{dropped} dropped"] if dropped else []
    return f" ({', '.join(remarks)})" if remarks else ""


def about_base_model(settings: BaseModel, base: SlotModel) -> dict[str, Any]:
    """What a space remembers of its base model."""
    return {
        "base_model": settings.name,
        "revision": settings.revision,
        "base_model_digest": settings.model_digest,
        "trust_remote_code": settings.trust_remote_code,
        "torch_dtype": settings.torch_dtype,
        "prediction_objective": base.objective,
        "embeddings": list(base.embeddings),
    }


if __name__ == "__main__":
    sys.exit(main(run))
