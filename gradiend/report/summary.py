"""The numbers at the top of a report, as data: what an index of several runs, or a program, reads."""

from typing import Any

from gradiend.report import controls
from gradiend.report.answers import answers
from gradiend.report.inputs import Inputs
from gradiend.report.numbers import known
from gradiend.report.outcomes import kept_share, outcomes


def summary(inputs: Inputs) -> dict[str, Any]:
    """`answers` {question, verdict, words}, `encoder`, `controls`, `seeds`, `rewrites`, and what the run is about."""
    test, report = inputs.metrics["test"], inputs.seed_report
    return {
        "target_classes": list(inputs.target_classes),
        "base_model": inputs.model_config["made_by"].get("base_model"),
        "config": inputs.config,
        "answers": [{"question": a.question, "verdict": a.verdict, "words": a.words} for a in answers(inputs)],
        "encoder": {
            "correlation": test["correlation"],
            "correlation_interval": test["correlation_interval"],
            "n": test["n"],
            "mean_difference": test["baselines"]["mean_difference"],
        },
        "controls": controls.numbers(inputs),
        "seeds": {
            "tried": len(report["runs"]),
            "converged": report["convergent_count"],
            "selected": inputs.selected,
            "condition": inputs.condition,
        },
        "rewrites": [
            {
                "name": one.name,
                "what": one.what,
                "before": one.before("test"),
                "after": one.after("test"),
                "lms_kept": kept_share(one.choice["test"]),
                "reason": one.choice["reason"],
            }
            for one in outcomes(inputs.decoder, inputs.target_classes)
        ],
        "seconds": known(inputs.benchmarks["seconds"].sum()),
    }
