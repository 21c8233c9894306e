"""The stages of a small experiment, from the data to the encoder's scores, in one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny import story_examples, story_neutral

from gradiend.config import parse_config
from gradiend.resolution import stage_settings
from gradiend.stages import (
    cache_gradients,
    cache_importance,
    evaluate_encoder,
    evaluate_test,
    post_prune,
    pre_prune,
    prepare_data,
    select_seed,
    train,
)

SPLITS = ("train", "validation", "test", "neutral")
ARGUMENTS: dict[str, Any] = {
    "use_cached_gradients": True,
    "learning_rate": "auto",
    "train_batch_size": 4,
    "post_prune_config": {"topk": 0.5},
}


class Chain:
    """The stages by name, in order: each reads what those before it wrote to `folder`, and writes to `out`."""

    def __init__(self, inputs: Path, folder: Path, out: Path | None = None, **arguments: Any) -> None:
        """`inputs` has a base model in `model`, and gets the data files."""
        story_examples().to_csv(inputs / "examples.csv", index=False)
        story_neutral().to_csv(inputs / "neutral.csv", index=False)
        raw = {
            "experiment_dir": "unused",
            "model": str(inputs / "model"),
            "data": {"source": str(inputs / "examples.csv"), "neutral": str(inputs / "neutral.csv")},
            "target_classes": ["female", "male"],
            "training_arguments": ARGUMENTS | arguments,
        }
        self.config, self.folder, self.out = parse_config(raw, "test"), folder, out or folder

    def run(self, stage: str) -> None:
        """Run one stage."""
        self.stages[stage](settings=stage_settings(stage, self.config))

    def run_all(self) -> None:
        """Run them all."""
        for stage in self.stages:
            self.run(stage)

    @property
    def stages(self) -> dict[str, Callable[..., str]]:
        """Stage -> what runs it with its settings."""
        here, out = self.folder, self.out
        space, seed, best = {"space": here / "space.safetensors"}, here / "seed_0", here / "best"
        tables = {"examples": here / "examples.parquet", "neutral": here / "neutral.parquet"}
        rows = {f"{split}_rows": here / split / "rows.parquet" for split in SPLITS}
        trained = {name: rows[name] for name in ("train_rows", "validation_rows")}
        training, evaluation = seed / "training.json", seed / "evaluation.json"
        cpu = {"device_encoder": "cpu", "device_decoder": "cpu"}

        def written(**names: str) -> dict[str, Path]:
            return {key: out / name for key, name in names.items()}

        def of(run: Callable[..., str], **given: Any) -> Callable[..., str]:
            return lambda settings: run(settings=settings, **given)

        data = written(examples="examples.parquet", neutral="neutral.parquet", summary="summary.json")
        importance = {"importance": here / "importance.safetensors"}
        model = written(out="seed_0/model", training="seed_0/training.json")
        scores = written(metrics="metrics.json", encodings="encodings.parquet")
        return {
            "prepare_data": of(prepare_data.run, **data),
            "cache_importance": of(
                cache_importance.run, examples=tables["examples"], device="cpu", **written(out="importance.safetensors")
            ),
            "pre_prune": of(pre_prune.run, **importance, **written(out="space.safetensors")),
            "cache_gradients": of(
                cache_gradients.run, **tables, **space, device="cpu", partial=out / "partial", out=out
            ),
            "train": of(train.run, seed=0, **space, **trained, **cpu, **model),
            "evaluate_encoder": of(
                evaluate_encoder.run,
                seed=0,
                model=seed / "model",
                training=training,
                **trained,
                **space,
                **written(out="seed_0/evaluation.json"),
            ),
            "select_seed": of(
                select_seed.run,
                evaluations=[evaluation],
                trainings=[training],
                **written(best="best", report="seed_report.json"),
            ),
            "post_prune": of(post_prune.run, best=best, **written(out="model")),
            "evaluate_test": of(evaluate_test.run, model=here / "model", **space, **rows, **scores),
        }
