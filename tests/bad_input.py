"""Bad input, case by case: what a user has, and the one line that the pipeline says. docs/errors.md is written from it.

`python tests/bad_input.py` writes the page anew.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import safetensors.torch
import torch
import yaml
from tiny import save_tiny_model, story_examples, story_neutral

from gradiend.config import load_runs
from gradiend.config_files import read_config_file
from gradiend.errors import GradiendError
from gradiend.experiment import ExperimentConfig
from gradiend.model_files import model_files
from gradiend.resolution import stage_settings
from gradiend.stages import cache_gradients, pre_prune, prepare_data

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
CONFIG: dict[str, Any] = {
    "experiment_dir": "results",
    "model": "model",
    "data": {"source": "data.csv", "neutral": "neutral.csv"},
    "target_classes": ["female", "male"],
    "training_arguments": {"use_cached_gradients": True, "pre_prune_config": None, "train_batch_size": 2},
}


@dataclass
class Input:
    """What a user has, before something is made wrong: a config, a data table, neutral texts and a base model."""

    config: dict[str, Any]
    data: pd.DataFrame
    neutral: pd.DataFrame

    def set(self, row: int, column: str, value: Any) -> None:
        """Change one cell; rows count from 1."""
        self.data[column] = self.data[column].astype(object)
        self.data.loc[row - 1, column] = value

    def argument(self, **arguments: Any) -> None:
        """Change training arguments."""
        self.config["training_arguments"].update(arguments)


Change = Callable[[Input], None]
CASES: dict[str, dict[str, Change]] = {
    "The config": {},
    "The data": {},
    "The base model": {},
    "Files between stages": {},
}


def case(part: str, what: str) -> Callable[[Change], Change]:
    """Register a case: `what` the user has."""

    def registered(change: Change) -> Change:
        CASES[part][what] = change
        return change

    return registered


def table(what: str) -> Callable[[Callable[[pd.DataFrame], pd.DataFrame]], None]:
    """A case whose data table is changed as a whole."""

    def registered(change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        def applied(given: Input) -> None:
            given.data = change(given.data)

        CASES["The data"][what] = applied

    return registered


def file_of(name: str, content: bytes) -> Change:
    """The data source is a file of this content."""

    def change(given: Input) -> None:
        Path(name).write_bytes(content)
        given.config["data"]["source"] = name

    return change


def arguments(**values: Any) -> Change:
    return lambda given: given.argument(**values)


def config(**values: Any) -> Change:
    return lambda given: given.config.update(values)


def cell(row: int, column: str, value: Any) -> Change:
    return lambda given: given.set(row, column, value)


def alike_for_the_model(given: Input) -> None:
    given.data = given.data.assign(alternative=given.data["label"].map({"she": "SHE", "he": "she"}))


ONE_NUMBER = (
    b'{"masked": "[MASK] ran", "label": "she", "label_class": "female"}\n'
    b'{"masked": "[MASK] ran", "label": 7, "label_class": "male"}\n'
)


def without_text(given: Input) -> None:
    given.neutral = given.neutral.rename(columns={"text": "txt"})


def file_of_a_class(given: Input) -> None:
    given.config["data"]["source"] = {"male": "data.csv"}
    given.set(1, "label_class", "male")


def unknown_label(given: Input) -> None:
    given.data = given.data.replace("she", "☃")


CASES["The config"] |= {
    "a misspelt setting": arguments(learning_rte=1e-4),
    "a value of a wrong type": arguments(max_seeds="many"),
    "more convergent seeds than seeds": arguments(max_seeds=2, min_convergent_seeds=3),
    "an evaluation of too few rows": arguments(encoder_eval_max_size=1),
    "both supervised modes": arguments(supervised_encoder=True, supervised_decoder=True),
    "a decoder without an encoder, judged by correlation": arguments(supervised_decoder=True),
    "convergence by loss without a threshold": arguments(convergent_metric="loss"),
    "both topk and threshold": arguments(pre_prune_config={"topk": 0.1, "threshold": 0.5}),
    "a share above 1": arguments(pre_prune_config={"topk": 1.5}),
    "pruning by weights that are not trained": arguments(
        supervised_decoder=True,
        convergent_metric="loss",
        convergent_score_threshold=1e-9,
        post_prune_config={"part": "encoder-weight"},
    ),
    "pruning by a bias that is not there": arguments(post_prune_config={"part": "decoder-bias"}, bias_decoder=False),
    "more entries after training than before": arguments(pre_prune_config={"topk": 10}, post_prune_config={"topk": 11}),
    "a decoder evaluation on one example": arguments(decoder_eval_max_size_training_like=1),
    "a feature factor beyond all weights": config(decoder={"feature_factors": {"female": 1e39}}),
    "a control with batches of one example": lambda given: (
        given.argument(train_batch_size=1),
        given.config.update(control={"seeds": 2}),
    ),
    "one target class": config(target_classes=["female"]),
    "the same target class twice": config(target_classes=["female", "female"]),
    "no data": config(data={}),
    "a run id with a slash": config(runs={"a/b": {}}),
    "a run id that is a folder of the pipeline": config(runs={"shared": {}}),
    "a run id that Snakemake takes for an endless recursion": config(runs={"a" * 20: {}}),
    "a matrix key within another": config(matrix={"training_arguments": [{"seed": 1}], "training_arguments.seed": [2]}),
    "the experiment in the folder of the base model": config(experiment_dir="model/out"),
    "a file in the place of the experiment": lambda given: (
        Path("results").touch(),
        given.config.update(experiment_dir="results"),
    ),
    "the experiment in its own output_dir": arguments(output_dir="results"),
}
CASES["The data"] |= {
    "a file that is not there": lambda given: given.config["data"].update(source="daat.csv"),
    "a file format that is not known": file_of("data.xlsx", b"x"),
    "an empty file": file_of("empty.csv", b""),
    "a header and no rows": file_of("rows.csv", b"masked,split,label,label_class\n"),
    "a text that is not UTF-8": file_of(
        "latin.csv", "masked,label,label_class\n[MASK] sähe,sie,female\n".encode("latin-1")
    ),
    "a row with too many cells": file_of("cells.csv", b"masked,label,label_class\n[MASK] ran,she,female,more\n"),
    "a Parquet file cut short": file_of("cut.parquet", b"PAR1\x15\x04"),
    "JSON Lines that are no objects": file_of("lines.jsonl", b"[1, 2]\n"),
    "JSON Lines with a broken line": file_of("broken.jsonl", b'{"masked": "a"}\n{"masked": \n'),
    "half a character in JSON Lines": file_of("half.jsonl", b'{"masked": "[MASK] \\ud800 ran"}\n'),
    "a number among the texts of JSON Lines": file_of("one.jsonl", ONE_NUMBER),
    "a misspelt column in the config": lambda given: given.config["data"].update(columns={"label": "lable"}),
    "an empty cell": cell(3, "label", None),
    "a text without a slot": cell(2, "masked", "nothing to fill in"),
    "a text with two slots": cell(2, "masked", "[MASK] and [MASK]"),
    "a split of another name": cell(5, "split", "training"),
    "a zero-width character in a label": cell(1, "label", "she\u200b"),
    "a target class that no row has": config(target_classes=["female", "mal"]),
    "a file of one class whose column says another": file_of_a_class,
    "the same neutral texts in validation and test": lambda given: setattr(
        given, "neutral", pd.concat([given.neutral.assign(split=split) for split in ("validation", "test")])
    ),
    "neutral texts without a column of texts": without_text,
}


@table("no example of a split")
def _(data: pd.DataFrame) -> pd.DataFrame:
    return data[data["split"] != "test"]


@table("no example of one class in a split")
def _(data: pd.DataFrame) -> pd.DataFrame:
    return data[(data["split"] != "validation") | (data["label_class"] != "male")]


@table("one class only")
def _(data: pd.DataFrame) -> pd.DataFrame:
    return data[data["label_class"] == "female"]


@table("a class of two surface forms, and no column of alternatives")
def _(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(label=["her", *data["label"][1:]])


@table("a label and an alternative that are the same")
def _(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(alternative=data["label"], alternative_class=data["label_class"].map(OTHER))


OTHER = {"female": "male", "male": "female", "plural": "male"}


@case("The data", "numbers for labels in a Parquet file")
def _(given: Input) -> None:
    given.data.assign(label=range(len(given.data))).to_parquet("numbers.parquet")
    given.config["data"]["source"] = "numbers.parquet"


def long_text(given: Input) -> None:
    given.set(1, "masked", "[MASK] " + "a " * 200)


def long_class(given: Input) -> None:
    own = given.data["label_class"].eq("male") & given.data["split"].eq("test")
    given.data["masked"] = given.data["masked"].mask(own, given.data["masked"] + " a" * 200)
    given.config["data"]["too_long"] = "drop"


CASES["The base model"] |= {
    "a text longer than the model allows": long_text,
    "every text of a class longer than the model allows": long_class,
    "a label that the vocabulary does not hold": unknown_label,
    "a label and an alternative of the same tokens": alike_for_the_model,
    "a label that is a special token": lambda given: setattr(given, "data", given.data.replace("she", "[PAD]")),
    "a folder that is not there": config(model="./modle"),
    "weights with NaN": lambda given: spoil_weights("nan"),
    "weights cut short": lambda given: spoil_weights("cut"),
    "weights as a pickle": lambda given: spoil_weights("pickle"),
    "params that match nothing": arguments(params=["bert.encoder.layer.7.*"]),
    "params of the prediction head": arguments(params=["cls.*"]),
    "another prediction objective": arguments(prediction_objective="clm"),
    "a device that is not there": arguments(device="cuda:7"),
}


@case("The base model", "a config.json of fewer layers than the weights")
def _(given: Input) -> None:
    path = Path("model/config.json")
    path.write_text(path.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 1'))


@case("The base model", "an adapter beside the model")
def _(given: Input) -> None:
    Path("model/adapter_config.json").write_text("{}")


@case("The base model", "a tokenizer.json of something else")
def _(given: Input) -> None:
    Path("model/tokenizer.json").write_text("[]")


@case("The base model", "a config.json that is no JSON")
def _(given: Input) -> None:
    Path("model/config.json").write_text("{")


def spoil_weights(how: str) -> None:
    path = Path("model/model.safetensors")
    if how == "nan":
        weights = safetensors.torch.load_file(path)
        weights["bert.encoder.layer.0.output.dense.weight"][0, 0] = torch.nan
        safetensors.torch.save_file(weights, path, {"format": "pt"})
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        torch.save(safetensors.torch.load_file(path), "model/pytorch_model.bin")
        path.unlink()


def foreign(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(1)}, path)


SPOILED: list[tuple[str, Callable[[Path], None]]] = []  # between the first stages and the rows


def spoiled(name: str, spoil: Callable[[Path], None]) -> Change:
    return lambda given: SPOILED.append((name, spoil))


CASES["Files between stages"] |= {
    "examples.parquet cut short": spoiled("examples.parquet", lambda path: cut(path, 100)),
    "space.safetensors cut short": spoiled("space.safetensors", lambda path: cut(path, 50)),
    "space.safetensors of another program": spoiled(
        "space.safetensors", lambda path: safetensors.torch.save_file({}, path)
    ),
    "a base model that changed after its entries were chosen": spoiled("space.safetensors", lambda path: other_model()),
}


def other_model() -> None:
    from tiny import tiny_bert, tiny_tokenizer

    tiny_bert(layers=1).save_pretrained("model")
    tiny_tokenizer().save_pretrained("model")


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def message(change: Change) -> str:
    """What the pipeline says, in a folder of its own: from reading the config to the rows of all splits."""
    SPOILED.clear()
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        given = Input(yaml.safe_load(yaml.safe_dump(CONFIG)), story_examples(), story_neutral())
        save_tiny_model(Path("model"))
        change(given)
        given.data.to_csv("data.csv", index=False)
        given.neutral.to_csv("neutral.csv", index=False)
        Path("config.yaml").write_text(yaml.safe_dump(given.config))
        try:
            run(given.config)
        except GradiendError as error:
            assert not [*Path("gradients").rglob("*")], "rows are there that look finished"
            return " ".join(str(error).splitlines())
    raise AssertionError("nothing was wrong")


def run(raw: dict[str, Any]) -> None:
    """The stages up to the stored rows, in this folder."""
    read_config_file(Path("config.yaml"))
    runs = load_runs(raw, "config.yaml")
    experiment: ExperimentConfig = next(iter(runs.values()))
    model_files(experiment.model.name, experiment.model.revision)
    made = {name: Path(name) for name in ("examples.parquet", "neutral.parquet", "summary.json", "space.safetensors")}
    tables = {"examples": made["examples.parquet"], "neutral": made["neutral.parquet"]}
    prepare_data.run(settings=stage_settings("prepare_data", experiment), summary=made["summary.json"], **tables)
    pre_prune.run(settings=stage_settings("pre_prune", experiment), out=made["space.safetensors"])
    for name, spoil in SPOILED:
        spoil(made[name])
    settings = stage_settings("cache_gradients", experiment)
    device = experiment.training_arguments.device or "cpu"
    tables |= {"space": made["space.safetensors"], "partial": Path("partial.safetensors")}
    cache_gradients.run(settings=settings, device=device, out=Path("gradients"), **tables)


def page() -> str:
    """docs/errors.md."""
    lines = [
        "# What can be wrong, and what is said then",
        "",
        "Every mistake ends the planning or the job with one line and a non-zero exit code.",
        "Nothing is left that looks finished.",
        "This page is written from the tests (`tests/bad_input.py`), which make every one of these mistakes.",
    ]
    for part, cases in CASES.items():
        lines += ["", f"## {part}", "", "| you have | it says |", "|---|---|"]
        lines += [f"| {what} | `{message(change).replace('|', '¦')}` |" for what, change in cases.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
