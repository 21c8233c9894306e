"""Where the results of one run lie: the very files of the pipeline."""

from dataclasses import dataclass
from pathlib import Path

from gradiend.experiment import ExperimentConfig
from gradiend.folders import GRADIEND_FILES

SPLITS = ("train", "validation", "test", "neutral")
OF_SEEDS = ("train", "evaluate_encoder", "train_control")


@dataclass(frozen=True)
class Layout:
    """The folders of a run; `model` and `seeds` are those that the argument guide lets the user move."""

    root: Path
    model: Path
    seeds: Path

    @classmethod
    def of(cls, config: ExperimentConfig) -> "Layout":
        """The folders that a config names."""
        root, arguments = Path(config.experiment_dir), config.training_arguments
        return cls(root, Path(arguments.output_dir or root / "model"), Path(arguments.seed_runs_dir or root / "seeds"))

    @property
    def inputs(self) -> Path:
        """Data given in memory, as files."""
        return self.root / "inputs"

    @property
    def examples(self) -> Path:
        """The examples as they are used."""
        return self.root / "data" / "examples.parquet"

    @property
    def neutral(self) -> Path:
        """The neutral texts."""
        return self.root / "data" / "neutral.parquet"

    @property
    def data_summary(self) -> Path:
        """What there is and what was dropped."""
        return self.root / "data" / "summary.json"

    @property
    def mlm_head(self) -> Path:
        """The head that gradients come through, where they do not come through the model's own."""
        return self.root / "mlm_head" / "head.safetensors"

    @property
    def mlm_head_quality(self) -> Path:
        """How good that head is."""
        return self.root / "mlm_head" / "quality.json"

    @property
    def trials(self) -> Path:
        """What a search for the learning rate tried."""
        return self.root / "tuning" / "trials.parquet"

    @property
    def learning_rate(self) -> Path:
        """What it chose."""
        return self.root / "tuning" / "learning_rate.json"

    @property
    def importance(self) -> Path:
        """The importance of every entry."""
        return self.root / "pruning" / "importance.safetensors"

    @property
    def space(self) -> Path:
        """The kept space."""
        return self.root / "pruning" / "space.safetensors"

    @property
    def gradients(self) -> Path:
        """The folder of the stored rows."""
        return self.root / "gradients"

    def rows(self, split: str) -> Path:
        """The table of a split's stored rows."""
        return self.gradients / split / "rows.parquet"

    def seed(self, seed: int) -> Path:
        """The folder of a seed."""
        return self.seeds / f"seed_{seed}"

    def training(self, seed: int) -> Path:
        """How a seed's training went."""
        return self.seed(seed) / "training.json"

    def evaluation(self, seed: int) -> Path:
        """A seed's score."""
        return self.seed(seed) / "evaluation.json"

    def partial(self, job: str) -> Path:
        """The state of a job that was killed: a training, a shard of the rows, a decoder evaluation."""
        return self.root / ".partial" / f"{job}.safetensors"

    @property
    def best(self) -> Path:
        """The selected seed's GRADIEND before post-pruning."""
        return self.root / "seeds" / "best"

    @property
    def seed_report(self) -> Path:
        """Which seed was selected, and why."""
        return self.root / "seeds" / "seed_report.json"

    @property
    def stability(self) -> Path:
        """What the converged seeds have in common."""
        return self.root / "seeds" / "stability.json"

    @property
    def metrics(self) -> Path:
        """The encoder's scores."""
        return self.root / "encoder" / "metrics.json"

    @property
    def encodings(self) -> Path:
        """Every encoded value."""
        return self.root / "encoder" / "encodings.parquet"

    def control(self, seed: int) -> Path:
        """The score of a training on batches drawn regardless of class."""
        return self.root / "control" / f"seed_{seed}.json"

    @property
    def grid(self) -> Path:
        """Every rewritten model that was tried."""
        return self.root / "decoder" / "grid.parquet"

    @property
    def lms_positions(self) -> Path:
        """The tokens that the language-modelling score is measured on."""
        return self.root / "decoder" / "lms_positions.parquet"

    @property
    def decoder_summary(self) -> Path:
        """The chosen rewrites."""
        return self.root / "decoder" / "summary.json"

    @property
    def rewritten(self) -> Path:
        """Which models were written."""
        return self.root / "rewritten" / "summary.json"

    @property
    def predictions(self) -> Path:
        """What base model and rewritten models write at a few slots."""
        return self.root / "rewritten" / "predictions.parquet"

    @property
    def report(self) -> Path:
        """The page that shows everything."""
        return self.root / "report.html"

    def record(self, stage: str, part: int | None = None) -> Path:
        """What made a stage's results, or those of one seed or further shard."""
        return self.root / "records" / f"{_named(stage, part)}.json"

    def benchmark(self, stage: str, part: int | None = None) -> Path:
        """How long a job of the workflow took that made them."""
        return self.root / "benchmarks" / f"{_named(stage, part)}.tsv"


def _named(stage: str, part: int | None) -> str:
    return stage if part is None else f"{stage}-{part}"


def of_a_gradiend(folder: Path) -> list[Path]:
    """The files of a GRADIEND's folder."""
    return [folder / name for name in GRADIEND_FILES]
