"""The tables of a report about what made it, what it cost, and what it warned of."""

import json
from importlib.metadata import version
from pathlib import Path

import yaml

from gradiend import __version__
from gradiend.report.inputs import Inputs
from gradiend.report.numbers import UNKNOWN, count, duration, known
from gradiend.report.table import Table

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy")


def warnings(inputs: Inputs) -> Table:
    """Every warning of the stages, and every reason for something missing."""
    rows = [["data", text] for text in inputs.data_summary["warnings"]]
    rows += [[f"training, seed {one['seed']}", text] for one in inputs.trainings for text in one["warnings"]]
    if not inputs.seed_report["convergent_count"]:
        rows.append(["seeds", f"none converged ({inputs.condition})"])
    rows += [["LMS", text] for text in inputs.decoder["neutral"]]
    rows += [["right-context head", text] for text in (inputs.mlm_head or {"warnings": ()})["warnings"]]
    return Table("All warnings", ["from", "warning"], rows, "" if rows else "There were no warnings.", texts=2)


def provenance(inputs: Inputs) -> Table:
    """What made this result."""
    config = inputs.model_config
    made_by = {k: v for k, v in config["made_by"].items() if k not in ("arguments", "embeddings")}
    own = {k: config[k] for k in ("source", "target", "latent_dim", "activation_encoder", "activation_decoder")}
    data = {
        **{f"version of {name}": version(name) for name in LIBRARIES},
        "digest of the data files": inputs.data_summary["data_digest"] or UNKNOWN,
        "package version that prepared the data": inputs.data_summary["package_version"],
        "package version that made this report": __version__,
    }
    rows = [[key.replace("_", " "), _plain(value)] for key, value in {**made_by, **own, **data}.items()]
    return Table("What made this", ["what", "value"], rows, texts=2)


def times(inputs: Inputs) -> Table:
    """Time and memory of each job."""
    rows = [
        [str(job), duration(seconds), f"{count(memory)} MiB" if known(memory) is not None else UNKNOWN]
        for job, seconds, memory in inputs.benchmarks.itertuples(index=False)
    ]
    total = inputs.benchmarks["seconds"].sum()
    note = f"All jobs together: {duration(total)}." if rows else "No benchmark files were found."
    return Table("Time and memory by job", ["job", "time", "most memory"], rows, note)


def config_file(inputs: Inputs) -> str:
    """A config file that makes this run again, whatever else its own config file held."""
    content = {"experiment_dir": own_folder(inputs), **inputs.config}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def own_folder(inputs: Inputs) -> str:
    """The folder of this run alone. What lies in that of one of several runs are links to what they share."""
    if not inputs.name:
        return inputs.folder
    experiment = Path(inputs.folder).parent
    return (experiment.parent / f"{experiment.name or 'run'}-{inputs.name}").as_posix()


def _plain(value: object) -> str:
    if value is None or value == "":
        return UNKNOWN
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
