"""GRADIENDs of several runs, and their encoded values of each other's examples -> tables and figures."""

import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from gradiend import plots
from gradiend.comparison import (
    ALONE,
    NO_DECODER,
    Group,
    cosines,
    grouped,
    intersections,
    layer_shares,
    overlaps,
    pairs_in_words,
)
from gradiend.cross_encoding import COLUMNS, NO_ENCODER, cross_classes, cross_correlations
from gradiend.errors import GradiendError
from gradiend.files import replacing, write_json, write_text
from gradiend.model import GradiendModel
from gradiend.plots_comparison import cosine_map, cross_encoding_map, layer_map, overlap_map
from gradiend.plots_sets import shared_entries
from gradiend.settings import CompareRuns
from gradiend.stages.command import main
from gradiend.tables import read_table, write_table

LOG = logging.getLogger(__name__)
Figures = Mapping[str, Callable[[], Figure]]  # drawn when they are written: those of many runs are large
NOTHING: dict[str, pd.DataFrame] = {
    "overlap": overlaps({}, 0).assign(entries=""),
    "intersections": intersections({}).assign(entries=""),
    "cosine": pd.DataFrame(columns=["run", "other", "cosine", "cosine_update"]),
    "layers": pd.DataFrame(columns=["run", "layer", "component", "parameter", "kept", "share"]),
    "cross_encoding": cross_correlations({}, {}),
    "cross_encoding_classes": cross_classes({}),
}


@dataclass(frozen=True)
class Compared:
    """What was found of one group of runs: tables by name, what draws a figure by name, and what the summary says."""

    tables: Mapping[str, pd.DataFrame]
    figures: Figures
    summary: Mapping[str, Any]


def run(
    *, settings: CompareRuns, runs: list[str], models: list[Path], encodings: list[Path], figures: Path, out: Path
) -> str:
    """Write the Parquet files of `NOTHING` beside `out`, the summary, and SVG files into the folder `figures`.

    `models` has the GRADIEND of each of the `runs`, which are those of the settings in the order in which they are
    shown; `encodings` the files `{run}.parquet` of the stage cross_encode. A run whose base model no other run has is
    left out.
    """
    if len(runs) != len(models):
        raise GradiendError(f"{len(models)} --models and {len(runs)} --runs: give one of each per run")
    if sorted(runs) != sorted(settings.runs):
        raise GradiendError(f"--runs {' '.join(runs)}: should be those of the settings: {' '.join(settings.runs)}")
    loaded = {name: GradiendModel.from_pretrained(folder) for name, folder in zip(runs, models, strict=True)}
    encoded = {path.name.removesuffix(".parquet"): path for path in encodings}
    groups = [group for group in grouped(loaded) if len(group) > 1]
    found = [compare(group, encoded, settings.topk) for group in groups]
    for name in NOTHING:
        write_table(out.parent / f"{name}.parquet", _joined(name, [one.tables[name] for one in found]))
    named = [
        {f"{name}{_number(place, found)}": own for name, own in one.figures.items()} for place, one in enumerate(found)
    ]
    _write_figures(figures, {name: figure for own in named for name, figure in own.items()})
    alone = [name for name in runs if not any(name in group for group in groups)]
    summary = [{**one.summary, "figures": list(own)} for one, own in zip(found, named, strict=True)]
    write_json(out, {"groups": summary, "left_out": dict.fromkeys(alone, ALONE)})
    for name in alone:
        LOG.warning("run %s is not compared: %s", name, ALONE)
    left = f"; left out, for {ALONE}: {', '.join(alone)}" if alone else ""
    bases = "1 base model" if len(groups) == 1 else f"{len(groups)} base models"
    return f"compare_runs: {len(runs) - len(alone)} of {len(runs)} runs, on {bases}{left}"


def compare(models: Mapping[str, GradiendModel], encoded: Mapping[str, Path], topk: int) -> Compared:
    """Everything about two or more GRADIENDs on one base model; `encoded` has the files of encoded values by run."""
    everything, with_decoder = Group.of(models, topk), _with_decoder(models)
    tables, figures = dict(NOTHING), dict[str, Callable[[], Figure]]()
    if len(with_decoder) > 1:
        group = Group.of(with_decoder, topk)
        tables |= _decoder_tables(group)
        figures |= _decoder_figures(group, tables)
    without = {name: NO_ENCODER for name, model in models.items() if model.config.supervised == "decoder"}
    tables |= _cross_tables({name: encoded[name] for name in models if name in encoded}, without)
    figures["cross_encoding"] = partial(cross_encoding_map, tables["cross_encoding"], list(models))
    name, revision, digest = everything.space.base_model
    summary = {
        "base_model": name,
        "revision": revision or None,
        "base_model_digest": digest or None,
        "runs": list(models),
        "kept_entries": {name: model.space.input_dim for name, model in models.items()},
        "joint_entries": everything.space.input_dim,
        "entries": everything.entries,
        "k": group.k if len(with_decoder) > 1 else None,
        "without_decoder": dict.fromkeys([name for name in models if name not in with_decoder], NO_DECODER),
        "without_encoder": without,
    }
    return Compared(tables, figures, summary | _pairs(tables))


def _with_decoder(models: Mapping[str, GradiendModel]) -> dict[str, GradiendModel]:
    return {name: model for name, model in models.items() if model.config.supervised != "encoder"}


def _decoder_tables(group: Group) -> dict[str, pd.DataFrame]:
    sets = {"kept": group.kept(), "top": group.top()}
    return {
        "overlap": pd.concat([overlaps(own, group.entries).assign(entries=name) for name, own in sets.items()]),
        "intersections": pd.concat([intersections(own).assign(entries=name) for name, own in sets.items()]),
        "cosine": cosines(group),
        "layers": layer_shares(group),
    }


def _decoder_figures(group: Group, tables: Mapping[str, pd.DataFrame]) -> Figures:
    names, shared = list(group.models), tables["intersections"]
    return {
        "overlap": partial(overlap_map, tables["overlap"], names, group.k),
        "shared_top": partial(shared_entries, shared[shared["entries"] == "top"], names, f"top {group.k:,} entries"),
        "shared_kept": partial(shared_entries, shared[shared["entries"] == "kept"], names, "kept entries"),
        "cosine": partial(cosine_map, tables["cosine"], names),
        "layers": partial(layer_map, tables["layers"], names),
    }


def _cross_tables(encoded: Mapping[str, Path], without: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """One run's encoded values at a time: of 200 runs there are a million."""
    correlations, classes = [], []
    for name, path in encoded.items():
        own = {name: read_table(path, COLUMNS)}
        correlations.append(cross_correlations(own, without))
        classes.append(cross_classes(own))
    return {
        "cross_encoding": _joined("cross_encoding", correlations),
        "cross_encoding_classes": _joined("cross_encoding_classes", classes),
    }


def _joined(name: str, tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else NOTHING[name]


def _pairs(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The means and ranges over pairs of runs, for whoever shows the summary alone."""
    top = tables["overlap"][tables["overlap"]["entries"] == "top"]
    return {"top_overlap": pairs_in_words(top, "overlap"), "cosine": pairs_in_words(tables["cosine"], "cosine")}


def _number(place: int, found: Sequence[Compared]) -> str:
    """What tells the files of several base models apart, in the order of the summary."""
    return f"-{place + 1}" if len(found) > 1 else ""


def _write_figures(folder: Path, figures: Figures) -> None:
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, draw in figures.items():
            write_text(temporary / f"{name}.svg", plots.svg(draw(), name))


if __name__ == "__main__":
    sys.exit(main(run))
