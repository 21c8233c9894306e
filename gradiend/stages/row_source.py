"""Where the rows of a stage come from: a store, or the base model as they are read."""

from dataclasses import dataclass
from pathlib import Path

from gradiend.devices import AUTO
from gradiend.errors import GradiendError
from gradiend.gradients.rows import Rows, StoredRows
from gradiend.settings import CacheGradients
from gradiend.space import ParameterSpace


@dataclass(frozen=True)
class RowSource:
    """Opens the rows of a split: stored ones where a store is given, else live ones, which need `live` settings."""

    live: CacheGradients | None
    space: ParameterSpace
    examples: Path | None
    batch_size: int
    device: str = AUTO
    neutral: Path | None = None
    mlm_head: Path | None = None

    def open(self, split: str, stored: Path | None) -> Rows:
        """The rows of a split; `stored` is the `rows.parquet` of its store."""
        if stored is not None:
            return StoredRows(stored.parent, self.space, split)
        if self.live is None or self.examples is None:
            raise GradiendError(f"no {split} rows: give --{split}-rows, or --examples and settings with 'live'")
        from gradiend.stages.live import open_split  # imports transformers

        return open_split(
            self.live,
            self.space,
            self.examples,
            split,
            self.batch_size,
            device=self.device,
            neutral=self.neutral,
            mlm_head=self.mlm_head,
        )
