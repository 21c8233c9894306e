"""The names of the Python API, and the module of each."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradiend.arguments import PostPruneConfig, PrePruneConfig, TrainingArguments
    from gradiend.errors import GradiendError
    from gradiend.experiment import Columns, ControlConfig, DecoderConfig
    from gradiend.model import GradiendModel
    from gradiend.space import ParameterSpace
    from gradiend.trainer.creation import create_model_with_gradiend
    from gradiend.trainer.model_with_gradiend import ModelWithGradiend
    from gradiend.trainer.text.prediction.model_with_gradiend import TextPredictionModelWithGradiend
    from gradiend.trainer.text.prediction.trainer import TextPredictionTrainer

__all__ = [
    "Columns",
    "ControlConfig",
    "DecoderConfig",
    "GradiendError",
    "GradiendModel",
    "ModelWithGradiend",
    "ParameterSpace",
    "PostPruneConfig",
    "PrePruneConfig",
    "TextPredictionModelWithGradiend",
    "TextPredictionTrainer",
    "TrainingArguments",
    "create_model_with_gradiend",
]

_MODULES = {
    "Columns": "experiment",
    "ControlConfig": "experiment",
    "DecoderConfig": "experiment",
    "GradiendError": "errors",
    "GradiendModel": "model",
    "ModelWithGradiend": "trainer.model_with_gradiend",
    "ParameterSpace": "space",
    "PostPruneConfig": "arguments",
    "PrePruneConfig": "arguments",
    "TextPredictionModelWithGradiend": "trainer.text.prediction.model_with_gradiend",
    "TextPredictionTrainer": "trainer.text.prediction.trainer",
    "TrainingArguments": "arguments",
    "create_model_with_gradiend": "trainer.creation",
}


def find(name: str) -> Any:
    """The class or function of that name. Raises `AttributeError` where the API has none."""
    if name not in _MODULES:
        raise AttributeError(f"module 'gradiend' has no attribute {name!r}")
    return vars(importlib.import_module(f"gradiend.{_MODULES[name]}"))[name]
