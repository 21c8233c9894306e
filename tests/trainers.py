"""What the tests of the Python API share."""

from collections.abc import Callable
from typing import Any

from gradiend import PostPruneConfig, PrePruneConfig, TextPredictionTrainer

MakeTrainer = Callable[..., TextPredictionTrainer]
SETTINGS: dict[str, Any] = {
    "use_cached_gradients": True,
    "learning_rate": "auto",
    "max_steps": 20,
    "eval_steps": 10,
    "train_batch_size": 2,
    "max_seeds": 2,
    "pre_prune_config": PrePruneConfig(n_samples=8, topk=0.5, source="diff"),
    "post_prune_config": PostPruneConfig(topk=0.5),
}
CLASSES = ["female", "male"]
