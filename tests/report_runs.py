"""A run that went well, made up: the contents of its result files."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from gradiend.scores import statistics
from gradiend.space import ParameterSpace

Files = dict[str, Any]
FIRST, SECOND = "female", "male"
WORDS = {FIRST: "she", SECOND: "he"}
SCORED = ("correlation", "correlation_interval", "n", "reason")  # of a control
RATES = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


# A run, as its files


def files(first: str = FIRST, second: str = SECOND, others: tuple[str, ...] = ("neuter",)) -> Files:
    """The contents of all result files of a run that went well."""
    encodings = encoded(first, second, others)
    grid, decoder = decoder_of(first, second)
    return {
        "trainings": [training(seed, first, second) for seed in (0, 1, 2)],
        "evaluations": [block(0.97) | {"seed": seed, "loss": 2.1e-10, "training_score": 0.97} for seed in (0, 1, 2)],
        "controls": [control(seed, first, second) for seed in (0, 1)],
        "seed_report": seed_report(0.97, 0.99, 0.31),
        "data_summary": data_summary(first, second, others),
        "metrics": metrics(encodings),
        "encodings": encodings,
        "grid": grid,
        "decoder": decoder,
        "rewritten": rewritten(decoder, first, second),
        "predictions": predictions(first, second),
        "examples": examples(encodings),
        "neutral": neutral(encodings),
        "space": space(),
        "weights": np.random.default_rng(1).normal(size=space().input_dim),
        "config": {
            "data": {"mask_placeholder": "[MASK]"},
            "target_classes": [first, second],
            "decoder": {"lms_ratio": 1},
        },
        "model_config": model_config(first, second),
    }


def training(seed: int, first: str, second: str) -> Files:
    curve = [
        {
            "step": step,
            "epoch": step / 100,
            "loss": None if step == 0 else 3e-10 * (0.6 + 0.4 * np.exp(-step / 60)) * (1 + 0.05 * np.sin(step + seed)),
            "correlation": float(np.tanh(step / (40 + 60 * seed))),
            "mean_by_class": {first: float(np.tanh(step / 90)), second: -float(np.tanh(step / 70)), "neuter": 0.05},
        }
        for step in range(0, 301, 25)
    ]
    return {
        "seed": seed,
        "arguments": {"learning_rate": "auto", "optim": "adamw", "source": "alternative"},
        "learning_rate": 1e-4,
        "steps": 300,
        "best_step": 275,
        "training_score": 0.97,
        "loss": 2.1e-10,
        "curves": curve,
        "warnings": ["eval_steps 25 does not divide the steps of an epoch"] if seed == 1 else [],
    }


def control(seed: int, first: str, second: str) -> Files:
    scores = {"control": 0.6 + 0.1 * seed, "random_encoder": 0.2 - 0.3 * seed}
    own = {
        name: {split: {key: block(value)[key] for key in SCORED} for split in ("validation", "test")}
        for name, value in scores.items()
    }
    return training(seed, first, second) | {"best_step": 50} | own


def block(correlation: float | None, classes: Mapping[str, Any] | None = None, reason: str | None = None) -> Files:
    found = correlation is not None
    return {
        "correlation": correlation,
        "correlation_interval": [correlation - 0.02, correlation + 0.01] if correlation is not None else None,
        "p_value": 1 / 1001 if found else None,
        "reason": reason,
        "balanced_accuracy": 0.981 if found else None,
        "n": 521,
        "classes": classes or {},
        "baselines": dict.fromkeys(("mean_difference", "without_embeddings"), 0.9 if found else None),
    }


def seed_report(*correlations: float | None) -> Files:
    runs = [
        {
            "seed": seed,
            "output_dir": f"seeds/seed_{seed}/model",
            "trained": True,
            "used_cache": False,
            "training_score": value,
            "eval_correlation": value,
            "selection_score": value,
            "convergence_metric": "correlation",
            "convergence_metric_value": value,
            "threshold": 0.5,
            "converged": value is not None and value >= 0.5,
        }
        for seed, value in enumerate(correlations)
    ]
    best = max(runs, key=lambda run: run["selection_score"] or -1)
    return {
        "convergence_metric": "correlation",
        "threshold": 0.5,
        "min_convergent_seeds": 3,
        "max_seeds": 3,
        "seeds_tried": [run["seed"] for run in runs],
        "convergent_count": sum(run["converged"] for run in runs),
        "best_seed": best["seed"],
        "best_selection_score": best["selection_score"],
        "early_stop_reason": None,
        "runs": runs,
    }


def encoded(first: str, second: str, others: tuple[str, ...]) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    parts = []
    for split, size in (("validation", 60), ("test", 400), ("neutral", 350)):
        groups = [(first, second, -1.6), (second, first, 1.6), *((name, name, 0.0) for name in others)]
        for factual, alternative, centre in groups if split != "neutral" else [("neutral", "neutral", 0.05)]:
            values = np.tanh(generator.normal(centre, 0.7 if centre else 0.25, size))
            part = {"split": split, "factual_class": factual, "alternative_class": alternative, "encoded": values}
            parts.append(pd.DataFrame(part).assign(label=np.sign(centre)))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(example_id=table.index)[
        ["example_id", "split", "factual_class", "alternative_class", "label", "encoded"]
    ]


def examples(encodings: pd.DataFrame) -> pd.DataFrame:
    """Those whose gradients were encoded; an example's text is told by its id."""
    own = encodings[encodings["split"] != "neutral"]
    table = own[["split", "factual_class", "alternative_class"]].assign(id=own["example_id"], batch=None)
    for side in ("factual", "alternative"):
        table[side] = [WORDS.get(name, f"{name} word") for name in own[f"{side}_class"]]
    return table.assign(masked=[f"Text {number} says that [MASK] came home." for number in own["example_id"]])


def neutral(encodings: pd.DataFrame) -> pd.DataFrame:
    own = encodings[encodings["split"] == "neutral"]
    table = pd.DataFrame({"id": own["example_id"], "split": "test", "masked": None, "factual": None})
    return table.assign(text=[f"It rains, {number} times." for number in own["example_id"]])


def predictions(first: str, second: str) -> pd.DataFrame:
    tokens = ("she", "he", "it", "they", "nobody")
    models = (("base", "base", 0.9), (first, "strengthen", 0.95), (second, "strengthen", 0.3))
    lines = [
        (name, direction, number, rank, token, share * 0.5**rank)
        for name, direction, share in models
        for number in (70, 471)  # of test, one of each class
        for rank, token in enumerate(tokens, start=1)
    ]
    return pd.DataFrame(lines, columns=["target_class", "direction", "example_id", "rank", "token", "probability"])


def metrics(encodings: pd.DataFrame) -> Files:
    def classes(split: str) -> Files:
        own = encodings[encodings["split"] == split].groupby("alternative_class")["encoded"]
        return {str(name): statistics(values.to_numpy()) for name, values in own}

    neutral = block(None, classes("neutral"), "neutral texts have no label")
    return {"validation": block(0.97, classes("validation")), "test": block(0.96, classes("test")), "neutral": neutral}


def logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def measured(share: float, shift: float, first: str, second: str, tokens: int = 10_000) -> Files:
    return {
        "lms": 0.437 * share,
        "lms_se": 0.005,
        "lms_tokens": tokens,
        "lms_difference": 0.437 * (share - 1),
        "lms_difference_se": 0.0012,
        "cross_entropy": 2.9,
        "gap": 0.7 - 0.5 * shift,
        "n": 521,
        f"p_{first}_on_{first}": logistic(1.3 + 3 * shift),
        f"p_{second}_on_{first}": logistic(-2.0 - 3 * shift),
        f"p_{first}_on_{second}": logistic(-2.7 + 4 * shift),
        f"p_{second}_on_{second}": logistic(1.7 - 4 * shift),
    }


def decoder_of(first: str, second: str) -> tuple[pd.DataFrame, Files]:
    lines, summary = [], {}
    for name, factor in ((first, 1.0), (second, -1.0)):
        aim = {"target_class": name, "direction": "strengthen", "feature_factor": factor, "refined": False}
        for rate in RATES:
            values = measured(
                1.001 - 0.03 * rate**1.2 / (1 + 0.03 * rate**1.2), np.tanh(factor * rate / 3), first, second
            )
            passes = values["lms"] >= 0.99 * 0.437
            lines.append(aim | {"learning_rate": rate, "split": "validation", "passes": passes} | values)
        choice = {column: line for column, line in lines[-5].items() if column in measured(1.0, 0.0, first, second)}
        rates = {"learning_rate": lines[-5]["learning_rate"], "feature_factor": factor}
        summary[name] = {"strengthen": rates | {"validation": choice, "test": choice, "reason": None}}
        lines.append(lines[-5] | {"split": "test"})  # the chosen one is measured on test too
    base = measured(1.0, 0.0, first, second)
    untrained = {name: {"strengthen": own["strengthen"] | {"learning_rate": 0.1}} for name, own in summary.items()}
    without = {name: {"strengthen": {"validation": base, "test": base}} for name in summary}
    baselines = {"mean_difference": untrained, "without_embeddings": without}
    notes = ["test: only 812 tokens decide the LMS: give more neutral texts"]
    decoder = summary | {"base": {"validation": base, "test": base}, "baselines": baselines, "neutral": notes}
    return pd.DataFrame(lines), decoder | {"lms_ratio": 0.99}


def rewritten(decoder: Mapping[str, Any], *classes: str) -> Files:
    return {
        name: {d: {"folder": name, "learning_rate": c["learning_rate"], "feature_factor": 1.0, "reason": c["reason"]}}
        for name in classes
        for d, c in decoder[name].items()
    }


def data_summary(first: str, second: str, others: tuple[str, ...]) -> Files:
    splits = {"train": 2000, "validation": 60, "test": 400}
    names = [f"{first} -> {second}", f"{second} -> {first}", *(f"{name} -> {name}" for name in others)]
    return {
        "examples": {split: dict.fromkeys((first, second, *others), n) for split, n in splits.items()},
        "transitions": {split: dict.fromkeys(names, n) for split, n in splits.items()},
        "batches": dict.fromkeys(names, 250),
        "copies": dict.fromkeys(splits, 2),
        "surface_forms": {first: {"she": 2191}, second: {"he": 3387}},
        "neutral": {"train": 0, "validation": 700, "test": 700},
        "derived_alternatives": {f"{first} -> {second}": 12},
        "dropped": {"train: same text and label in test": 7},
        "warnings": ["7 dropped from train: same text and label in test"],
        "data_digest": "ab12" * 16,
        "package_version": "0.1.0",
    }


def space() -> ParameterSpace:
    generator = torch.Generator().manual_seed(0)
    parameters = {"bert.embeddings.word_embeddings.weight": torch.empty(200, 16)}
    for layer in range(4):
        for part, shape in (
            ("attention.self.query", (16, 16)),
            ("attention.output.dense", (16, 16)),
            ("output.dense", (16, 64)),
        ):
            parameters[f"bert.encoder.layer.{layer}.{part}.weight"] = torch.empty(shape)
            parameters[f"bert.encoder.layer.{layer}.{part}.bias"] = torch.empty(shape[0])
    full = ParameterSpace.of(parameters)
    kept = torch.rand(full.input_dim, generator=generator) < torch.linspace(0.001, 0.3, full.input_dim)
    return full.select(kept.nonzero()[:, 0])


def model_config(first: str, second: str) -> Files:
    return {
        "target_classes": [first, second],
        "source": "alternative",
        "target": "diff",
        "latent_dim": 1,
        "activation_encoder": "tanh",
        "activation_decoder": "id",
        "bias_decoder": True,
        "supervised": None,
        "latent": 0,
        "normalized": True,
        "correlation": 0.97,
        "version": "0.1.0",
        "made_by": {
            "version": "0.1.0",
            "base_model": "results/demo/demo/model",
            "revision": None,
            "base_model_digest": "cd34" * 16,
            "embeddings": ["bert.embeddings.word_embeddings.weight"],
            "seed": 1,
            "arguments": {"learning_rate": "auto", "num_train_epochs": 3},
        },
    }
