"""Which jobs an experiment has, as the workflow noted it when it began: `logs/jobs.json`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradiend.errors import GradiendError
from gradiend.files import read_json, write_json
from gradiend.selection import has_converged, next_seeds

FILE = Path("logs/jobs.json")


@dataclass(frozen=True)
class PlannedJob:
    """One job: the runs that it is for (none: what compares all of them), and its `log`, from the experiment_dir.

    `to_run` is whether it was to run when the workflow began, or what it makes was there; None where not known.
    `evaluation` is the file that an evaluation of a seed writes.
    """

    name: str
    log: str
    runs: tuple[str, ...] = ()
    to_run: bool | None = None
    evaluation: str = ""


@dataclass(frozen=True)
class SeedSearch:
    """The seeds that a run may try; `jobs` has those of each seed, in the order of `seeds`, the evaluation last."""

    seeds: tuple[int, ...]
    jobs: tuple[tuple[PlannedJob, ...], ...]
    min_convergent: int | None
    metric: str
    threshold: float

    def wanted(
        self, read: Callable[[PlannedJob], Mapping[str, Any] | None]
    ) -> tuple[list[PlannedJob], list[PlannedJob]]:
        """The jobs that are certainly needed, and those that may be; `read` gives evaluations that are made."""
        converged: dict[int, bool] = {}
        by_seed = dict(zip(self.seeds, self.jobs, strict=True))
        while wave := next_seeds(converged, self.seeds, self.min_convergent):
            found = {seed: read(by_seed[seed][-1]) for seed in wave}
            known = {seed: has_converged(one, self.metric, self.threshold) for seed, one in found.items() if one}
            if len(known) < len(wave):
                certain = [*converged, *wave]
                return _jobs(by_seed, certain), _jobs(by_seed, [seed for seed in self.seeds if seed not in certain])
            converged |= known
        return _jobs(by_seed, list(converged)), []


@dataclass(frozen=True)
class Plan:
    """All jobs but those of seeds, and the searches for seeds that converge; `begun` is when the workflow began."""

    runs: tuple[str, ...]
    jobs: tuple[PlannedJob, ...]
    searches: tuple[SeedSearch, ...] = ()
    begun: float = 0.0


def write_plan(folder: Path, plan: Plan) -> None:
    """Note the plan in an experiment_dir; `begun` will be the time stamp of the file."""
    content = asdict(plan)
    del content["begun"]
    write_json(folder / FILE, content)


def read_plan(folder: Path) -> Plan | None:
    """The plan of an experiment_dir; None where a workflow left none, as one that uses this one as a module."""
    path = folder / FILE
    if not path.is_file():
        return None
    content, begun = read_json(path), path.stat().st_mtime
    try:
        searches = tuple(
            SeedSearch(**{**one, "seeds": tuple(one["seeds"]), "jobs": tuple(map(_planned, one["jobs"]))})
            for one in content["searches"]
        )
        return Plan(tuple(content["runs"]), _planned(content["jobs"]), searches, begun)
    except TypeError as error:
        raise GradiendError(f"{path}: not the plan of a workflow ({error}); delete it and run again") from error


def _planned(jobs: Sequence[Mapping[str, Any]]) -> tuple[PlannedJob, ...]:
    return tuple(PlannedJob(**{**one, "runs": tuple(one["runs"])}) for one in jobs)


def _jobs(by_seed: Mapping[int, Sequence[PlannedJob]], seeds: Sequence[int]) -> list[PlannedJob]:
    return [job for seed in seeds for job in by_seed[seed]]
