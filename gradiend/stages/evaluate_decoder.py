"""Base model and GRADIEND -> the grid of rewritten models, the choice among them, and the baselines beside it."""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.baselines import mean_difference_update
from gradiend.choice import Aim, Candidate, Measured, aims
from gradiend.decoding import Chosen, Grid, Trial
from gradiend.devices import AUTO
from gradiend.files import folder_files, read_json, write_json
from gradiend.gradients.capture import Capture
from gradiend.gradients.rows import Rows, StoredRows
from gradiend.identity import identity
from gradiend.labels import strengthening_factor
from gradiend.measurements import Measurements
from gradiend.model import GradiendModel
from gradiend.model_files import model_files
from gradiend.partial import Partial
from gradiend.rewriting import Rewriter
from gradiend.settings import EvaluateDecoder, canonical
from gradiend.space import ParameterSpace
from gradiend.stages.command import main
from gradiend.stages.evaluation_set import SPLITS, EvaluationSet
from gradiend.stages.live import split_rows
from gradiend.tables import read_table, write_table

BASELINE_STEPS = 3  # of 1,000 tokens: what decides on a candidate of the baseline, which nobody rewrites a model with


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
    eval_batch_size: int = 32,
    device: str = AUTO,
    partial: Path,
    grid: Path,
    positions: Path,
    summary: Path,
) -> str:
    """Write grid.parquet, lms_positions.parquet and summary.json. Chosen on validation, reported on test too.

    `partial` is the file of the state to go on from after a kill.
    """
    gradiend = GradiendModel.from_pretrained(model)
    table = read_table(examples)
    if gradiend.config.supervised == "encoder":
        return _write_nothing(settings, grid, positions, summary)
    base = load_base_model(settings.base_model, device=device)
    forms = read_json(data_summary)["surface_forms"]
    read = [path for path in (examples, neutral, data_summary, space, train_rows, mlm_head) if path is not None]
    large = [*folder_files(model), *model_files(settings.base_model.name, settings.base_model.revision)]
    mine = identity("evaluate_decoder", canonical(settings), str(eval_batch_size), read=read, large=large)
    measurements = Measurements(Partial(partial, mine))
    setup = _Setup(settings, base, gradiend, table, read_table(neutral), forms, eval_batch_size, measurements)
    validation = setup.splits["validation"]
    own = setup.evaluate(Grid(validation, gradiend.update), "GRADIEND", setup.aims(), Trial.complete)
    for result in own:
        result.grid.measure_all()
    rows = StoredRows(train_rows.parent, ParameterSpace.load(space)) if train_rows else setup.live_rows(space, mlm_head)
    grid_of_baseline = Grid(validation.brief(BASELINE_STEPS), mean_difference_update(rows, gradiend))
    baseline = setup.evaluate(grid_of_baseline, "mean difference", setup.aims_of_labels(), Trial.settled)
    write_table(grid, setup.grid_table(own))
    write_table(positions, setup.positions)
    write_json(
        summary,
        {
            **setup.outcome(own),
            "base": setup.base(),
            "baselines": {
                "mean_difference": setup.outcome(baseline),
                "without_embeddings": setup.without_embeddings(own, gradiend),
            },
            "examples": setup.counts,
            "neutral": setup.notes,
            "lms_ratio": settings.lms_ratio,
        },
    )
    measurements.finish()
    return "evaluate_decoder: " + setup.sentence(own)


class _Setup:
    """What all decoders of a run are evaluated on, loaded once."""

    def __init__(
        self,
        settings: EvaluateDecoder,
        base: LanguageModel,
        gradiend: GradiendModel,
        examples: pd.DataFrame,
        neutral: pd.DataFrame,
        forms: Mapping[str, Collection[str]],
        batch_size: int,
        measurements: Measurements,
    ) -> None:
        self.settings, self.base_model, self.examples, self.batch_size = settings, base, examples, batch_size
        rewriter = Rewriter(base.parameters(), gradiend.space)
        evaluation = EvaluationSet(settings, base, examples, neutral, forms, batch_size)
        self.notes, self.positions = evaluation.notes, evaluation.positions
        self.splits = {split: evaluation.evaluator(split, rewriter, measurements) for split in SPLITS}
        self.counts = evaluation.counts
        self._gradiend = gradiend

    def aims(self) -> list[Aim]:
        """The aims of the GRADIEND, whose decoder gives an update (its bias) for the feature factor 0 too."""
        return self._aims(self._gradiend.config.sign, balancing=[0.0])

    def aims_of_labels(self) -> list[Aim]:
        """The aims of a direction that is oriented by the labels."""
        return self._aims(1.0, balancing=[])

    def evaluate(self, grid: Grid, name: str, aims: Sequence[Aim], scored: Callable[[Trial], Trial]) -> "list[_Result]":
        """Choose on validation for every aim, then measure what was chosen on test, `scored` on enough tokens."""
        with tqdm(desc=name, unit=" candidates", mininterval=5) as bar:
            chosen = [grid.choose(aim, self.settings.learning_rates, bar.update) for aim in aims]
        return [
            _Result(aim, grid, one, self._on_test(grid, one, scored)) for aim, one in zip(aims, chosen, strict=True)
        ]

    def base(self) -> dict[str, dict[str, Any]]:
        """The base model's numbers by split."""
        return {split: _numbers(evaluator.base) for split, evaluator in self.splits.items()}

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

    def without_embeddings(self, results: "list[_Result]", gradiend: GradiendModel) -> dict[str, Any]:
        """The chosen candidates on test, with the entries of the input and output embeddings left as they are."""
        outside = gradiend.space.outside(gradiend.space.about.get("embeddings", ()))
        content: dict[str, Any] = {}
        for result in results:
            candidate, numbers = result.chosen.candidate, None
            if candidate is not None:
                update = result.grid.update(candidate.feature_factor) * outside
                trial = self.splits["test"].trial(update, candidate.learning_rate)
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
        return pd.DataFrame(lines, columns=None if lines else GRID_COLUMNS)

    def live_rows(self, space: Path, mlm_head: Path | None) -> Rows:
        """The training rows, where none are stored."""
        assert self.settings.live is not None
        model = with_mlm_head(self.base_model, self.settings.base_model, mlm_head)
        capture = Capture(model, ParameterSpace.load(space))
        return split_rows(self.settings.live, model, capture, self.examples, "train", self.batch_size)

    def sentence(self, results: "list[_Result]") -> str:
        """One line: what each choice does on test."""
        parts = []
        for result in results:
            name = f"{result.aim.direction} {result.aim.target_class}".replace("balance balance", "balance")
            if result.chosen.candidate is None or result.test is None:
                parts.append(f"{name}: none ({result.chosen.reason})")
                continue
            base = self.splits["test"].base
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
        trial = self.splits["test"].trial(update, chosen.candidate.learning_rate)
        return scored(trial.with_probabilities()).measured

    def _aims(self, sign: float, *, balancing: Sequence[float]) -> list[Aim]:
        """The aims, each target class strengthened by the factor given for it, else by the derived one times sign."""
        config, settings = self._gradiend.config, self.settings
        given = settings.feature_factors or {}
        factors = {
            name: given.get(name, sign * strengthening_factor(i, config.source, config.target))
            for i, name in enumerate(settings.target_classes)
        }
        return aims(settings.target_classes, settings.directions, factors, balancing)


class _Result:
    """One aim, the grid it chose from, its choice, and that choice on test."""

    def __init__(self, aim: Aim, grid: Grid, chosen: Chosen, test: Measured | None) -> None:
        self.aim, self.grid, self.chosen, self.test = aim, grid, chosen, test


GRID_COLUMNS = [
    "target_class", "direction", "feature_factor", "learning_rate", "refined", "split", "lms", "lms_se", "passes",
]  # fmt: skip


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
    write_table(grid, pd.DataFrame(columns=GRID_COLUMNS))
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
