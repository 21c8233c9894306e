"""Base model and GRADIEND -> the grid of rewritten models, the choice among them, and the baselines beside it."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from gradiend.choice import Aim, Candidate, Measured
from gradiend.decoding import Chosen, Grid, Trial
from gradiend.devices import AUTO
from gradiend.files import write_json
from gradiend.gradients.shards import record_shards
from gradiend.measurements import Measurements
from gradiend.partial import Partial
from gradiend.settings import EvaluateDecoder
from gradiend.stages.command import main
from gradiend.stages.decoder_grids import DecoderGrids, DecoderInputs
from gradiend.stages.own_gradiend import own_gradiend
from gradiend.tables import GRID, write_table


def run(
    *,
    settings: EvaluateDecoder,
    model: Path,
    examples: Path,
    neutral: Path,
    data_summary: Path,
    space: Path,
    train_rows: Path | None = None,
    mlm_head: Path | None = None,
    measured: list[Path],
    eval_batch_size: int = 32,
    device: str = AUTO,
    made_from: str = "",
    partial: Path,
    grid: Path,
    positions: Path,
    summary: Path,
) -> str:
    """Write grid.parquet, lms_positions.parquet and summary.json. Chosen on validation, reported on test too.

    `measured` are files of `measure_candidates`; how many, and `made_from`, which says what the evaluation is made
    from, are recorded beside the results. `partial` is the file of the state to go on from after a kill.
    """
    gradiend = own_gradiend(model, settings)
    if gradiend.config.supervised == "encoder":
        record_shards(summary.parent, len(measured) or 1, made_from)
        return _write_nothing(settings, grid, positions, summary)
    inputs = DecoderInputs(
        settings, model, examples, neutral, data_summary, space, train_rows, mlm_head, eval_batch_size
    )
    measurements = Measurements(*(Partial(path, inputs.identity) for path in (partial, *measured)))
    evaluation = _Evaluation(DecoderGrids(inputs, gradiend, device, measurements))
    own, baseline = evaluation.of_gradiend(), evaluation.of_baseline()
    write_table(grid, evaluation.grid_table(own))
    write_table(positions, evaluation.grids.positions)
    write_json(
        summary,
        {
            **evaluation.outcome(own),
            "base": evaluation.base(),
            "baselines": {
                "mean_difference": evaluation.outcome(baseline),
                "without_embeddings": evaluation.without_embeddings(own),
            },
            "examples": evaluation.grids.counts,
            "neutral": evaluation.grids.notes,
            "lms_ratio": settings.lms_ratio,
        },
    )
    record_shards(summary.parent, len(measured) or 1, made_from)
    measurements.finish()
    return "evaluate_decoder: " + evaluation.sentence(own)


class _Evaluation:
    """The choices from the grids, and what is told of them."""

    def __init__(self, grids: DecoderGrids) -> None:
        self.grids = grids

    def of_gradiend(self) -> "list[_Result]":
        """The choices among the GRADIEND's candidates; all candidates are measured."""
        grids = self.grids
        own = self._evaluate(grids.grid, "GRADIEND", grids.aims, Trial.complete)
        grids.grid.measure_all()
        return own

    def of_baseline(self) -> "list[_Result]":
        """The choices among the baseline's candidates."""
        grids = self.grids
        return self._evaluate(grids.baseline, "mean difference", grids.aims_of_labels, Trial.settled)

    def _evaluate(
        self, grid: Grid, name: str, aims: Sequence[Aim], scored: Callable[[Trial], Trial]
    ) -> "list[_Result]":
        """Choose on validation for every aim, then measure what was chosen on test, `scored` on enough tokens."""
        rates = self.grids.settings.learning_rates
        with tqdm(desc=name, unit=" candidates", mininterval=5) as bar:
            chosen = [grid.choose(aim, rates, bar.update) for aim in aims]
        return [
            _Result(aim, grid, one, self._on_test(grid, one, scored)) for aim, one in zip(aims, chosen, strict=True)
        ]

    def base(self) -> dict[str, dict[str, Any]]:
        """The base model's numbers by split."""
        return {split: _numbers(evaluator.base) for split, evaluator in self.grids.splits.items()}

    def outcome(self, results: "list[_Result]") -> dict[str, Any]:
        """`{class: {direction: {learning_rate, feature_factor, validation, test, reason}}}`."""
        content: dict[str, Any] = {}
        for result in results:
            chosen = result.chosen
            content.setdefault(result.aim.target_class, {})[result.aim.direction] = {
                "learning_rate": chosen.candidate.learning_rate if chosen.candidate else None,
                "feature_factor": chosen.candidate.feature_factor if chosen.candidate else None,
                "validation": _numbers(chosen.measured) if chosen.measured else None,
                "test": _numbers(result.test) if result.test else None,
                "reason": chosen.reason,
            }
        return content

    def without_embeddings(self, results: "list[_Result]") -> dict[str, Any]:
        """The chosen candidates on test, with the entries of the input and output embeddings left as they are."""
        space = self.grids.gradiend.space
        outside = space.outside(space.about.get("embeddings", ()))
        content: dict[str, Any] = {}
        for result in results:
            candidate, numbers = result.chosen.candidate, None
            if candidate is not None:
                update = result.grid.update(candidate.feature_factor) * outside
                trial = self.grids.splits["test"].trial(update, candidate.learning_rate)
                numbers = {"test": _numbers(trial.with_probabilities().settled().measured)}
            content.setdefault(result.aim.target_class, {})[result.aim.direction] = numbers
        return content

    def grid_table(self, results: "list[_Result]") -> pd.DataFrame:
        """One line per aim, candidate and split."""
        lines = []
        for result in results:
            measured = [(c, "validation", m) for c, m in result.grid.of(result.chosen)]
            if result.chosen.candidate is not None and result.test is not None:
                measured.append((result.chosen.candidate, "test", result.test))
            lines += [_line(result.aim, candidate, split, numbers) for candidate, split, numbers in measured]
        return pd.DataFrame(lines, columns=None if lines else list(GRID))

    def sentence(self, results: "list[_Result]") -> str:
        """One line: what each choice does on test."""
        parts = []
        for result in results:
            name = f"{result.aim.direction} {result.aim.target_class}".replace("balance balance", "balance")
            if result.chosen.candidate is None or result.test is None:
                parts.append(f"{name}: none ({result.chosen.reason})")
                continue
            base = self.grids.splits["test"].base
            lms = result.test.lms - result.test.difference  # the base model's on the same tokens
            before, after = abs(result.aim.value(base)), abs(result.aim.value(result.test))
            rate = result.chosen.candidate.learning_rate
            parts.append(
                f"{name}: learning rate {rate:.4g}, {before:.3g} -> {after:.3g}, LMS {lms:.3f} -> "
                f"{result.test.lms:.3f} on test (n = {result.test.n})"
            )
        return "; ".join(parts)

    def _on_test(self, grid: Grid, chosen: Chosen, scored: Callable[[Trial], Trial]) -> Measured | None:
        if chosen.candidate is None:
            return None
        update = grid.update(chosen.candidate.feature_factor)
        trial = self.grids.splits["test"].trial(update, chosen.candidate.learning_rate)
        return scored(trial.with_probabilities()).measured


class _Result:
    """One aim, the grid it chose from, its choice, and that choice on test."""

    def __init__(self, aim: Aim, grid: Grid, chosen: Chosen, test: Measured | None) -> None:
        self.aim, self.grid, self.chosen, self.test = aim, grid, chosen, test


def _line(aim: Aim, candidate: Candidate, split: str, measured: Measured) -> dict[str, Any]:
    return {
        "target_class": aim.target_class,
        "direction": aim.direction,
        "feature_factor": candidate.feature_factor,
        "learning_rate": candidate.learning_rate,
        "refined": candidate.refined,
        "split": split,
        "passes": measured.passes,
        **_numbers(measured),
    }


def _numbers(measured: Measured) -> dict[str, Any]:
    return {
        "lms": measured.lms,
        "lms_se": measured.lms_se,
        "lms_tokens": measured.tokens,
        "lms_difference": measured.difference,
        "lms_difference_se": measured.difference_se,
        "cross_entropy": measured.cross_entropy,
        "gap": measured.gap,
        "n": measured.n,
        **measured.probabilities,
    }


def _write_nothing(settings: EvaluateDecoder, grid: Path, positions: Path, summary: Path) -> str:
    """Null everywhere, with the reason."""
    reason = "supervised_encoder trains no decoder"
    nothing = dict.fromkeys(("learning_rate", "feature_factor", "validation", "test")) | {"reason": reason}
    classes = {name: {d: nothing for d in settings.directions if d != "balance"} for name in settings.target_classes}
    balance = {"balance": {"balance": nothing}} if "balance" in settings.directions else {}
    write_table(grid, pd.DataFrame(columns=list(GRID)))
    write_table(positions, pd.DataFrame(columns=["text_id", "pattern", "position", "token_id"]))
    write_json(
        summary,
        {
            **classes,
            **balance,
            "base": None,
            "baselines": None,
            "examples": {},
            "neutral": [],
            "lms_ratio": settings.lms_ratio,
        },
    )
    return f"evaluate_decoder: nothing to evaluate: {reason}"


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    sys.exit(main(run))
