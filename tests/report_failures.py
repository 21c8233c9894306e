"""What may be missing in a run: changes of the run that went well, and what its page must then say."""

from collections.abc import Callable

import pandas as pd
from report_runs import FIRST, SECOND, Files, block, seed_report

from gradiend.tables import GRID

SUPERVISED = "supervised_encoder trains no decoder"


def with_no_seed_converged(run: Files) -> None:
    run["seed_report"] = seed_report(0.12, 0.31, None)


def with_a_degenerate_encoder(run: Files) -> None:
    reason = "constant encodings: all 521 are 1"
    for split in ("validation", "test"):
        run["metrics"][split] = block(None, run["metrics"][split]["classes"], reason)
    run["evaluations"] = [one | block(None, reason=reason) for one in run["evaluations"]]
    run["seed_report"] = seed_report(None, None, None)
    for one in run["trainings"]:
        one["curves"] = [line | {"correlation": None} for line in one["curves"]]


def with_supervised_encoder(run: Files) -> None:
    nothing = dict.fromkeys(("learning_rate", "feature_factor", "validation", "test")) | {"reason": SUPERVISED}
    classes = {name: {"strengthen": nothing} for name in (FIRST, SECOND)}
    run["decoder"] = classes | {"base": None, "baselines": None, "neutral": []}
    run["grid"] = pd.DataFrame(columns=list(GRID))
    run["predictions"] = run["predictions"].iloc[:0]
    run["model_config"] |= {"supervised": "encoder"}
    own = {"folder": None, "learning_rate": None, "feature_factor": None, "reason": SUPERVISED}
    run["rewritten"] = {name: {"strengthen": own} for name in (FIRST, SECOND)}


def with_supervised_decoder(run: Files) -> None:
    reason = "supervised_decoder: the encoder is not trained"
    run["metrics"] = {split: block(None, reason=reason) | {"n": 0} for split in ("validation", "test", "neutral")}
    run["evaluations"] = [one | block(None, reason=reason) for one in run["evaluations"]]
    run["encodings"] = run["encodings"].iloc[:0]
    run["model_config"] |= {"supervised": "decoder", "normalized": False, "correlation": None}
    for one in run["trainings"]:
        one["curves"] = [line | {"correlation": None, "mean_by_class": {}} for line in one["curves"]]


def without_neutral_texts(run: Files) -> None:
    run["metrics"]["neutral"] = block(None, reason="no neutral texts") | {"n": 0}
    run["encodings"] = run["encodings"][run["encodings"]["split"] != "neutral"]


def with_nothing_that_passes(run: Files) -> None:
    reason = "no candidate keeps 0.99 of the base model's LMS 0.437; nearest: learning rate 0.01 with LMS 0.43"
    nothing = dict.fromkeys(("learning_rate", "feature_factor", "validation", "test")) | {"reason": reason}
    run["decoder"] |= {name: {"strengthen": nothing} for name in (FIRST, SECOND)}
    run["decoder"]["baselines"] = {
        "mean_difference": {name: {"strengthen": nothing} for name in (FIRST, SECOND)},
        "without_embeddings": {name: {"strengthen": None} for name in (FIRST, SECOND)},
    }
    run["grid"] = run["grid"].assign(passes=False)
    run["predictions"] = run["predictions"].iloc[:0]
    run["rewritten"] = {
        name: {"strengthen": {"folder": None, "learning_rate": None, "feature_factor": None, "reason": reason}}
        for name in (FIRST, SECOND)
    }


def without_a_score_of_the_embeddings(run: Files) -> None:
    test = run["metrics"]["test"]
    test["baselines"]["without_embeddings"] = None
    test["reason"] = "without_embeddings: every kept entry belongs to the embeddings"


def without_records(run: Files) -> None:
    for one in run["trainings"]:
        one["curves"] = []


NULLS: list[tuple[Callable[[Files], None], list[str]]] = [
    (with_no_seed_converged, ["No seed converged", "None of the 3 seeds tried meets", "reaches correlation 0.31"]),
    (
        with_a_degenerate_encoder,
        ["It cannot be said", "Constant encodings: all 521 are 1.", "has no correlation at all"],
    ),
    (
        with_supervised_encoder,
        ["Nothing was rewritten", "supervised_encoder trains no decoder.", f"No figure: {SUPERVISED}"],
    ),
    (with_supervised_decoder, ["supervised_decoder: the encoder is not trained", "Nothing was encoded."]),
    (without_neutral_texts, ["No neutral texts."]),
    (with_nothing_that_passes, ["Nothing was chosen", "nearest: learning rate 0.01 with LMS 0.43"]),
    (without_a_score_of_the_embeddings, ["every kept entry belongs to the embeddings"]),
    (without_records, ["No training has recorded anything."]),
]
