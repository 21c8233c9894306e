"""Makes the calls of a run, in order and one after the other, and leaves out those whose results are right already."""

import importlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path

import torch
from tqdm import tqdm

from gradiend.code import code_digest
from gradiend.errors import GradiendError
from gradiend.examples.files import data_files
from gradiend.experiment import ExperimentConfig
from gradiend.files import digest_files, read_json, remove
from gradiend.model_files import model_files
from gradiend.records import Record, read_record, recording
from gradiend.resolution import stage_settings
from gradiend.selection import has_converged, metric_of, next_seeds, seed_values
from gradiend.settings import STAGES, canonical, read_settings
from gradiend.sharing import BEFORE, stage_digests, stages_of
from gradiend.trainer.calls import Call, Calls
from gradiend.trainer.layout import Layout

LOG = logging.getLogger(__name__)
CODE = cache(code_digest)
THREADS = {
    "train_mlm_head": 4,
    "cache_importance": 4,
    "cache_gradients": 4,
    "train_control": 4,
    "evaluate_decoder": 4,
}  # as in the rules; else 1


class Pipeline:
    """One run of an experiment: its results on disk, and how they are made.

    A stage's results are right where they are there, their record is of the present settings and code, those of the
    stages before it are right, and older. `made` are the stages that this object has run.
    """

    def __init__(self, config: ExperimentConfig) -> None:
        self.config, self.layout = config, Layout.of(config)
        self.calls = Calls(config, self.layout, self._made_from)
        self.made: set[tuple[str, int | None]] = set()
        self._settings: dict[str, str] = {}

    def look_again(self) -> None:
        """Read the external files again, which may have changed since: settings hold their digests."""
        self._settings.clear()
        for name in ("_data_digest", "_model_digest"):
            vars(self).pop(name, None)

    def prepare(self, *, reuse: bool) -> None:
        """Everything before the gradients: examples, and the kept space."""
        self.bring(self.calls.prepare_data(), reuse=reuse)
        if self.calls.headed:
            self.bring(self.calls.train_mlm_head(), reuse=reuse)
        if self.calls.pruned:
            self.bring(self.calls.cache_importance(), reuse=reuse)
        self.bring(self.calls.pre_prune(), reuse=reuse)

    def train(self, *, reuse: bool) -> None:
        """Everything up to the GRADIEND: gradients, seed after seed until enough have converged, selection, pruning."""
        self.prepare(reuse=reuse)
        if self.calls.cached:
            self.bring(self.calls.cache_gradients(), reuse=reuse)
        if self.calls.searches:
            self.bring(self.calls.tune_learning_rate(), reuse=reuse)
        seeds = self._train_seeds(reuse=reuse)
        select = self.calls.select_seed(seeds)
        if not (reuse and self.is_right(select)):
            for seed in seeds:
                self._restore(seed)
            self.run(select)
        if self.calls.has_several_seeds:
            self.bring(self.calls.measure_stability(seeds), reuse=reuse)
        if not self.config.training_arguments.keep_seed_runs:
            for seed in seeds:
                remove(self.layout.seed(seed) / "model")
        self.bring(self.calls.post_prune(), reuse=reuse)

    def bring(self, call: Call, *, reuse: bool) -> None:
        """Make a call unless its results are right, and were made by this object or may be reused."""
        if not ((reuse or (call.stage, call.seed) in self.made) and self.is_right(call)):
            self.run(call)

    def run(self, call: Call, writes: Mapping[str, Path] | None = None) -> None:
        """Make a call; with other files to write to it leaves no record."""
        settings = self.settings(call.stage)
        run = importlib.import_module(f"gradiend.stages.{call.stage}").run
        keywords = {**call.reads, **(writes or call.writes), **call.options}
        with _threads(THREADS.get(call.stage, 1)):
            if writes is not None:
                line = run(settings=read_settings(STAGES[call.stage], settings), **keywords)
            else:
                # of other results; Snakemake compares its age, too
                remove(self.layout.benchmark(call.stage, call.seed))
                with recording(self.layout.record(call.stage, call.seed), settings, CODE(call.stage)):
                    line = run(settings=read_settings(STAGES[call.stage], settings), **keywords)
                self.made.add((call.stage, call.seed))
        LOG.info(line)

    def settings(self, stage: str) -> str:
        """The canonical JSON of a stage's settings, the same as in the workflow."""
        if stage not in self._settings:
            data_digest = self._data_digest if stage == "prepare_data" else ""
            found = stage_settings(stage, self.config, data_digest=data_digest, model_digest=self._model_digest)
            self._settings[stage] = canonical(found)
        return self._settings[stage]

    def is_right(self, call: Call) -> bool:
        """Whether a call would make again what is there already."""
        record = self._found(call)
        if record is None:
            return False
        before = self._before(call)
        return before is not None and all(
            (older := self._found(one)) is not None and older.finished < record.finished and self.is_right(one)
            for one in before
        )

    def tried(self) -> list[int] | None:
        """The seeds that had to be tried, None where not all of them have a right evaluation."""
        converged: dict[int, bool] = {}
        while wave := self._wave(converged):
            for seed in wave:
                if not self.is_right(self.calls.evaluate_encoder(seed)):
                    return None
                converged[seed] = self._has_converged(seed)
        return [*converged]

    def _train_seeds(self, *, reuse: bool) -> list[int]:
        """Train and evaluate wave after wave; the seeds that were tried."""
        converged: dict[int, bool] = {}
        arguments = self.config.training_arguments
        with tqdm(total=arguments.max_seeds, desc="seeds", unit="seed") as bar:
            while wave := self._wave(converged):
                for seed in wave:
                    evaluate = self.calls.evaluate_encoder(seed)
                    if not (reuse and self.is_right(evaluate)):
                        self._train_seed(seed, reuse=reuse)
                        self.run(evaluate)
                    converged[seed] = self._has_converged(seed)
                    bar.set_postfix_str(self._shown(seed))
                    bar.update()
        return [*converged]

    def _train_seed(self, seed: int, *, reuse: bool) -> None:
        """A seed's model, which may have been removed since."""
        train = self.calls.train(seed)
        if not (reuse and self.is_right(train) and (self.layout.seed(seed) / "model").is_dir()):
            self.run(train)

    def _restore(self, seed: int) -> None:
        """A model that was not kept is trained again, and so its score is computed again."""
        if not (self.layout.seed(seed) / "model").is_dir():
            self.run(self.calls.train(seed))
            self.run(self.calls.evaluate_encoder(seed))

    def _wave(self, converged: Mapping[int, bool]) -> list[int]:
        arguments = self.config.training_arguments
        seeds = seed_values(arguments.seed, arguments.max_seeds)
        return next_seeds(converged, seeds, arguments.min_convergent_seeds)

    def _has_converged(self, seed: int) -> bool:
        arguments = self.config.training_arguments
        evaluation = read_json(self.layout.evaluation(seed))
        return has_converged(evaluation, arguments.convergent_metric, arguments.convergent_score_threshold)

    def _shown(self, seed: int) -> str:
        metric = self.config.training_arguments.convergent_metric
        value = metric_of(read_json(self.layout.evaluation(seed)), metric)
        return f"seed {seed}: {metric} {'null' if value is None else format(value, '.3g')}"

    def _found(self, call: Call) -> Record | None:
        """The record of a call whose results are all there, if it is of the present settings and code."""
        parts = [call.seed, *range(1, call.shards)]
        records = [read_record(self.layout.record(call.stage, part)) for part in parts]
        own = [one for one in records if one is not None and one.is_of(self.settings(call.stage), CODE(call.stage))]
        if len(own) < len(parts) or not all(path.exists() for path in call.results):
            return None
        return min(own, key=lambda one: one.finished)

    def _before(self, call: Call) -> list[Call] | None:
        """The calls whose results a call reads; None where they are not known, for seeds are missing."""
        if call.stage in ("select_seed", "measure_stability", "report"):
            seeds = self.tried()
            if seeds is None:
                return None
            if call.stage in ("select_seed", "measure_stability"):
                return [self.calls.evaluate_encoder(seed) for seed in seeds]
            controls = [self.calls.train_control(seed) for seed in self.calls.control_seeds]
            return [*controls, self.calls.evaluate_test(), self.calls.rewrite_model()]
        return [self._call(name, call.seed) for name in BEFORE[call.stage] if name in stages_of(self.config)]

    def _call(self, stage: str, seed: int | None) -> Call:
        if stage == "train":
            assert seed is not None
            return self.calls.train(seed)
        if stage == "select_seed":
            return self.calls.select_seed(self.tried() or [])
        calls = {
            "prepare_data": self.calls.prepare_data,
            "train_mlm_head": self.calls.train_mlm_head,
            "cache_importance": self.calls.cache_importance,
            "pre_prune": self.calls.pre_prune,
            "cache_gradients": self.calls.cache_gradients,
            "tune_learning_rate": self.calls.tune_learning_rate,
            "post_prune": self.calls.post_prune,
            "evaluate_decoder": self.calls.evaluate_decoder,
        }
        return calls[stage]()

    def _made_from(self, stage: str) -> str:
        return stage_digests({own: self.settings(own) for own in stages_of(self.config)})[stage]

    @cached_property
    def _data_digest(self) -> str:
        data = self.config.data
        files = [*data_files(data.source, "data"), *data_files(data.neutral, "eval_neutral_data")]
        return digest_files(files, self._digests)

    @cached_property
    def _model_digest(self) -> str:
        return digest_files(model_files(self.config.model.name, self.config.model.revision), self._digests)

    @property
    def _digests(self) -> Path:
        return self.layout.root / "records" / "digests.json"


def require_unshared(root: Path) -> None:
    """Raise `GradiendError` where a folder is that of one of several runs of the pipeline, which share results."""
    linked = next((path for path in sorted(root.glob("*")) if path.is_symlink()), None)
    if linked is not None:
        raise GradiendError(f"{linked}: is a link to what several runs of the pipeline share: give another run_id")


@contextmanager
def _threads(wanted: int) -> Iterator[None]:
    """As many threads as a job of the pipeline has: the last digits of a sum depend on how it is split."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(wanted, os.cpu_count() or 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
