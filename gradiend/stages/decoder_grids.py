"""The grids of a decoder evaluation: what the job that chooses from them has in common with those that measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.baselines import mean_difference_update
from gradiend.choice import Aim, aims, candidates_of
from gradiend.decoding import Grid
from gradiend.errors import GradiendError
from gradiend.files import digest_bytes, folder_files, read_json
from gradiend.gradients.capture import Capture
from gradiend.gradients.rows import Rows, StoredRows
from gradiend.identity import identity
from gradiend.labels import strengthening_factor
from gradiend.measurements import Measurements
from gradiend.model import GradiendModel
from gradiend.model_files import model_files
from gradiend.rewriting import Rewriter
from gradiend.settings import EvaluateDecoder, canonical
from gradiend.space import ParameterSpace
from gradiend.stages.evaluation_set import SPLITS, EvaluationSet
from gradiend.stages.live import split_rows
from gradiend.tables import NEUTRAL, read_examples, read_table

BASELINE_STEPS = 3  # of 1,000 tokens: what decides on a candidate of the baseline, which nobody rewrites a model with


@dataclass(frozen=True)
class DecoderInputs:
    """What the grids are made from; `train_rows` and `mlm_head` as far as the run has any."""

    settings: EvaluateDecoder
    model: Path
    examples: Path
    neutral: Path
    data_summary: Path
    space: Path
    train_rows: Path | None
    mlm_head: Path | None
    eval_batch_size: int

    @property
    def identity(self) -> str:
        """What measurements of these grids are known by."""
        files = (self.examples, self.neutral, self.data_summary, self.space, self.train_rows, self.mlm_head)
        base = self.settings.base_model
        large = [*folder_files(self.model), *model_files(base.name, base.revision)]
        read = [path for path in files if path is not None]
        options = (canonical(self.settings), str(self.eval_batch_size))
        return identity("evaluate_decoder", *options, read=read, large=large)


def _data_summary(inputs: DecoderInputs) -> dict[str, Any]:
    """The summary of the examples. Raises `GradiendError` where it is that of others, which have other forms."""
    found = read_json(inputs.data_summary)
    if found["examples_digest"] != digest_bytes(inputs.examples.read_bytes()):
        raise GradiendError(
            f"{inputs.data_summary}: is the summary of other examples than {inputs.examples}; delete both and run again"
        )
    return found


class DecoderGrids:
    """The candidates of the GRADIEND's decoder and of the baseline, on the base model and the splits asked for."""

    def __init__(
        self,
        inputs: DecoderInputs,
        gradiend: GradiendModel,
        device: str,
        measurements: Measurements,
        splits: Sequence[str] = SPLITS,
    ) -> None:
        self.settings, self.gradiend, self._inputs = inputs.settings, gradiend, inputs
        forms = _data_summary(inputs)["surface_forms"]
        self._base = load_base_model(self.settings.base_model, device=device)
        self._examples = read_examples(inputs.examples)
        tables = (self._examples, read_table(inputs.neutral, NEUTRAL))
        rewriter = Rewriter(self._base.parameters(), gradiend.space)
        evaluation = EvaluationSet(self.settings, self._base, *tables, forms, inputs.eval_batch_size)
        self.splits = {split: evaluation.evaluator(split, rewriter, measurements) for split in splits}
        self.notes, self.positions, self.counts = evaluation.notes, evaluation.positions, evaluation.counts
        self.grid = Grid(self.splits["validation"], gradiend.update)

    @cached_property
    def baseline(self) -> Grid:
        """The candidates of the mean difference of the training rows, which are computed where none are stored."""
        stored = self._inputs.train_rows
        space = ParameterSpace.load(self._inputs.space)
        rows = StoredRows(stored.parent, space, "train") if stored else self._live_rows(space)
        return Grid(self.splits["validation"].brief(BASELINE_STEPS), mean_difference_update(rows, self.gradiend))

    @property
    def aims(self) -> list[Aim]:
        """The aims of the GRADIEND, whose decoder gives an update (its bias) for the feature factor 0 too."""
        return self._aims(self.gradiend.config.sign, balancing=[0.0])

    @property
    def aims_of_labels(self) -> list[Aim]:
        """The aims of a direction that is oriented by the labels."""
        return self._aims(1.0, balancing=[])

    def measure(self, shard: int, shards: int) -> int:
        """Measure every `shards`-th candidate, as far as the choice will need it; how many these are.

        The baseline's only where its rows are stored: else every shard would compute them.
        """
        rates = self.settings.learning_rates
        own = [(self.grid, candidate) for candidate in candidates_of(self.aims, rates)]
        if self._inputs.train_rows is not None:
            own += [(self.baseline, candidate) for candidate in candidates_of(self.aims_of_labels, rates)]
        share = own[shard::shards]
        for grid, candidate in tqdm(share, desc="GRADIEND and mean difference", unit=" candidates", mininterval=5):
            grid.measure(candidate, whole=grid is self.grid)
        return len(share)

    def _aims(self, sign: float, *, balancing: Sequence[float]) -> list[Aim]:
        """The aims, each target class strengthened by the factor given for it, else by the derived one times sign."""
        config, settings = self.gradiend.config, self.settings
        given = settings.feature_factors or {}
        factors = {
            name: given.get(name, sign * strengthening_factor(i, config.source, config.target))
            for i, name in enumerate(settings.target_classes)
        }
        return aims(settings.target_classes, settings.directions, factors, balancing)

    def _live_rows(self, space: ParameterSpace) -> Rows:
        live, batch_size = self.settings.live, self._inputs.eval_batch_size
        assert live is not None
        model = with_mlm_head(self._base, self.settings.base_model, self._inputs.mlm_head)
        return split_rows(live, model, Capture(model, space), self._examples, "train", batch_size)
