"""The report: one self-contained page that says what was found, and says in words what is missing."""

import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gradiend.files import write_json
from gradiend.report import numbers
from gradiend.report.inputs import Inputs, read_benchmarks
from gradiend.report.page import inlined, render
from gradiend.report.pictures import pictures, shares_by_layer
from gradiend.scores import statistics
from gradiend.settings import Report, canonical
from gradiend.space import ParameterSpace
from gradiend.stages import report
from gradiend.stages.command import main
from gradiend.stages.evaluate_decoder import GRID_COLUMNS
from gradiend.tables import write_table

Files = dict[str, Any]
FIRST, SECOND = "female", "male"
SUPERVISED = "supervised_encoder trains no decoder"
RATES = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


# A run, as its files


def files(first: str = FIRST, second: str = SECOND, others: tuple[str, ...] = ("neuter",)) -> Files:
    """The contents of all result files of a run that went well."""
    encodings = encoded(first, second, others)
    grid, decoder = decoder_of(first, second)
    return {
        "trainings": [training(seed, first, second) for seed in (0, 1, 2)],
        "evaluations": [block(0.97) | {"seed": seed, "loss": 2.1e-10, "training_score": 0.97} for seed in (0, 1, 2)],
        "seed_report": seed_report(0.97, 0.99, 0.31),
        "data_summary": data_summary(first, second, others),
        "metrics": metrics(encodings),
        "encodings": encodings,
        "grid": grid,
        "decoder": decoder,
        "rewritten": rewritten(decoder, first, second),
        "space": space(),
        "model_config": model_config(first, second),
    }


def training(seed: int, first: str, second: str) -> Files:
    curve = [
        {
            "step": step,
            "epoch": step / 100,
            "loss": None if step == 0 else 3e-10 * (0.6 + 0.4 * np.exp(-step / 60)) * (1 + 0.05 * np.sin(step + seed)),
            "correlation": float(np.tanh(step / (40 + 60 * seed))),
            "mean_by_class": {first: float(np.tanh(step / 90)), second: -float(np.tanh(step / 70)), "neuter": 0.05},
        }
        for step in range(0, 301, 25)
    ]
    return {
        "seed": seed,
        "arguments": {"learning_rate": "auto", "optim": "adamw", "source": "alternative"},
        "learning_rate": 1e-4,
        "steps": 300,
        "best_step": 275,
        "training_score": 0.97,
        "loss": 2.1e-10,
        "curves": curve,
        "warnings": ["eval_steps 25 does not divide the steps of an epoch"] if seed == 1 else [],
    }


def block(correlation: float | None, classes: Mapping[str, Any] | None = None, reason: str | None = None) -> Files:
    found = correlation is not None
    return {
        "correlation": correlation,
        "correlation_interval": [correlation - 0.02, correlation + 0.01] if correlation is not None else None,
        "p_value": 1 / 1001 if found else None,
        "reason": reason,
        "balanced_accuracy": 0.981 if found else None,
        "n": 521,
        "classes": classes or {},
        "baselines": dict.fromkeys(("mean_difference", "without_embeddings"), 0.9 if found else None),
    }


def seed_report(*correlations: float | None) -> Files:
    runs = [
        {
            "seed": seed,
            "output_dir": f"seeds/seed_{seed}/model",
            "trained": True,
            "used_cache": False,
            "training_score": value,
            "eval_correlation": value,
            "selection_score": value,
            "convergence_metric": "correlation",
            "convergence_metric_value": value,
            "threshold": 0.5,
            "converged": value is not None and value >= 0.5,
        }
        for seed, value in enumerate(correlations)
    ]
    best = max(runs, key=lambda run: run["selection_score"] or -1)
    return {
        "convergence_metric": "correlation",
        "threshold": 0.5,
        "min_convergent_seeds": 3,
        "max_seeds": 3,
        "seeds_tried": [run["seed"] for run in runs],
        "convergent_count": sum(run["converged"] for run in runs),
        "best_seed": best["seed"],
        "best_selection_score": best["selection_score"],
        "early_stop_reason": None,
        "runs": runs,
    }


def encoded(first: str, second: str, others: tuple[str, ...]) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    parts = []
    for split, size in (("validation", 60), ("test", 400), ("neutral", 350)):
        groups = [(first, second, -1.6), (second, first, 1.6), *((name, name, 0.0) for name in others)]
        for factual, alternative, centre in groups if split != "neutral" else [("neutral", "neutral", 0.05)]:
            values = np.tanh(generator.normal(centre, 0.7 if centre else 0.25, size))
            part = {"split": split, "factual_class": factual, "alternative_class": alternative, "encoded": values}
            parts.append(pd.DataFrame(part).assign(label=np.sign(centre)))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(example_id=table.index)[
        ["example_id", "split", "factual_class", "alternative_class", "label", "encoded"]
    ]


def metrics(encodings: pd.DataFrame) -> Files:
    def classes(split: str) -> Files:
        own = encodings[encodings["split"] == split].groupby("alternative_class")["encoded"]
        return {str(name): statistics(values.to_numpy()) for name, values in own}

    neutral = block(None, classes("neutral"), "neutral texts have no label")
    return {"validation": block(0.97, classes("validation")), "test": block(0.96, classes("test")), "neutral": neutral}


def logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def measured(share: float, shift: float, first: str, second: str, tokens: int = 10_000) -> Files:
    return {
        "lms": 0.437 * share,
        "lms_se": 0.005,
        "lms_tokens": tokens,
        "lms_difference": 0.437 * (share - 1),
        "lms_difference_se": 0.0012,
        "cross_entropy": 2.9,
        "gap": 0.7 - 0.5 * shift,
        "n": 521,
        f"p_{first}_on_{first}": logistic(1.3 + 3 * shift),
        f"p_{second}_on_{first}": logistic(-2.0 - 3 * shift),
        f"p_{first}_on_{second}": logistic(-2.7 + 4 * shift),
        f"p_{second}_on_{second}": logistic(1.7 - 4 * shift),
    }


def decoder_of(first: str, second: str) -> tuple[pd.DataFrame, Files]:
    lines, summary = [], {}
    for name, factor in ((first, 1.0), (second, -1.0)):
        aim = {"target_class": name, "direction": "strengthen", "feature_factor": factor, "refined": False}
        for rate in RATES:
            values = measured(
                1.001 - 0.03 * rate**1.2 / (1 + 0.03 * rate**1.2), np.tanh(factor * rate / 3), first, second
            )
            passes = values["lms"] >= 0.99 * 0.437
            lines.append(aim | {"learning_rate": rate, "split": "validation", "passes": passes} | values)
        choice = {column: line for column, line in lines[-5].items() if column in measured(1.0, 0.0, first, second)}
        rates = {"learning_rate": lines[-5]["learning_rate"], "feature_factor": factor}
        summary[name] = {"strengthen": rates | {"validation": choice, "test": choice, "reason": None}}
        lines.append(lines[-5] | {"split": "test"})  # the chosen one is measured on test too
    base = measured(1.0, 0.0, first, second)
    untrained = {name: {"strengthen": own["strengthen"] | {"learning_rate": 0.1}} for name, own in summary.items()}
    without = {name: {"strengthen": {"validation": base, "test": base}} for name in summary}
    baselines = {"mean_difference": untrained, "without_embeddings": without}
    notes = ["test: only 812 tokens decide the LMS: give more neutral texts"]
    decoder = summary | {"base": {"validation": base, "test": base}, "baselines": baselines, "neutral": notes}
    return pd.DataFrame(lines), decoder | {"lms_ratio": 0.99}


def rewritten(decoder: Mapping[str, Any], *classes: str) -> Files:
    return {
        name: {d: {"folder": name, "learning_rate": c["learning_rate"], "feature_factor": 1.0, "reason": c["reason"]}}
        for name in classes
        for d, c in decoder[name].items()
    }


def data_summary(first: str, second: str, others: tuple[str, ...]) -> Files:
    splits = {"train": 2000, "validation": 60, "test": 400}
    names = [f"{first} -> {second}", f"{second} -> {first}", *(f"{name} -> {name}" for name in others)]
    return {
        "examples": {split: dict.fromkeys((first, second, *others), n) for split, n in splits.items()},
        "transitions": {split: dict.fromkeys(names, n) for split, n in splits.items()},
        "batches": dict.fromkeys(names, 250),
        "copies": dict.fromkeys(splits, 2),
        "surface_forms": {first: {"she": 2191}, second: {"he": 3387}},
        "neutral": {"train": 0, "validation": 700, "test": 700},
        "derived_alternatives": {f"{first} -> {second}": 12},
        "dropped": {"train: same text and label in test": 7},
        "warnings": ["7 dropped from train: same text and label in test"],
        "data_digest": "ab12" * 16,
        "package_version": "0.1.0",
    }


def space() -> ParameterSpace:
    generator = torch.Generator().manual_seed(0)
    parameters = {"bert.embeddings.word_embeddings.weight": torch.empty(200, 16)}
    for layer in range(4):
        for part, shape in (
            ("attention.self.query", (16, 16)),
            ("attention.output.dense", (16, 16)),
            ("output.dense", (16, 64)),
        ):
            parameters[f"bert.encoder.layer.{layer}.{part}.weight"] = torch.empty(shape)
            parameters[f"bert.encoder.layer.{layer}.{part}.bias"] = torch.empty(shape[0])
    full = ParameterSpace.of(parameters)
    kept = torch.rand(full.input_dim, generator=generator) < torch.linspace(0.001, 0.3, full.input_dim)
    return full.select(kept.nonzero()[:, 0])


def model_config(first: str, second: str) -> Files:
    return {
        "target_classes": [first, second],
        "source": "alternative",
        "target": "diff",
        "latent_dim": 1,
        "activation_encoder": "tanh",
        "activation_decoder": "id",
        "bias_decoder": True,
        "supervised": None,
        "latent": 0,
        "normalized": True,
        "correlation": 0.97,
        "version": "0.1.0",
        "made_by": {
            "version": "0.1.0",
            "base_model": "results/demo/demo/model",
            "revision": None,
            "base_model_digest": "cd34" * 16,
            "embeddings": ["bert.embeddings.word_embeddings.weight"],
            "seed": 1,
            "arguments": {"learning_rate": "auto", "num_train_epochs": 3},
        },
    }


# Other runs


def with_no_seed_converged(run: Files) -> None:
    run["seed_report"] = seed_report(0.12, 0.31, None)


def with_a_degenerate_encoder(run: Files) -> None:
    reason = "constant encodings: all 521 are 1"
    for split in ("validation", "test"):
        run["metrics"][split] = block(None, run["metrics"][split]["classes"], reason)
    run["evaluations"] = [one | block(None, reason=reason) for one in run["evaluations"]]
    run["seed_report"] = seed_report(None, None, None)
    for one in run["trainings"]:
        one["curves"] = [line | {"correlation": None} for line in one["curves"]]


def with_supervised_encoder(run: Files) -> None:
    nothing = dict.fromkeys(("learning_rate", "feature_factor", "validation", "test")) | {"reason": SUPERVISED}
    classes = {name: {"strengthen": nothing} for name in (FIRST, SECOND)}
    run["decoder"] = classes | {"base": None, "baselines": None, "neutral": []}
    run["grid"] = pd.DataFrame(columns=GRID_COLUMNS)
    own = {"folder": None, "learning_rate": None, "feature_factor": None, "reason": SUPERVISED}
    run["rewritten"] = {name: {"strengthen": own} for name in (FIRST, SECOND)}


def with_supervised_decoder(run: Files) -> None:
    reason = "supervised_decoder: the encoder is not trained"
    run["metrics"] = {split: block(None, reason=reason) | {"n": 0} for split in ("validation", "test", "neutral")}
    run["evaluations"] = [one | block(None, reason=reason) for one in run["evaluations"]]
    run["encodings"] = run["encodings"].iloc[:0]
    run["model_config"] |= {"supervised": "decoder", "normalized": False, "correlation": None}
    for one in run["trainings"]:
        one["curves"] = [line | {"correlation": None, "mean_by_class": {}} for line in one["curves"]]


def without_neutral_texts(run: Files) -> None:
    run["metrics"]["neutral"] = block(None, reason="no neutral texts") | {"n": 0}
    run["encodings"] = run["encodings"][run["encodings"]["split"] != "neutral"]


def with_nothing_that_passes(run: Files) -> None:
    reason = "no candidate keeps 0.99 of the base model's LMS 0.437; nearest: learning rate 0.01 with LMS 0.43"
    nothing = dict.fromkeys(("learning_rate", "feature_factor", "validation", "test")) | {"reason": reason}
    run["decoder"] |= {name: {"strengthen": nothing} for name in (FIRST, SECOND)}
    run["decoder"]["baselines"] = {
        "mean_difference": {name: {"strengthen": nothing} for name in (FIRST, SECOND)},
        "without_embeddings": {name: {"strengthen": None} for name in (FIRST, SECOND)},
    }
    run["grid"] = run["grid"].assign(passes=False)
    run["rewritten"] = {
        name: {"strengthen": {"folder": None, "learning_rate": None, "feature_factor": None, "reason": reason}}
        for name in (FIRST, SECOND)
    }


def without_a_score_of_the_embeddings(run: Files) -> None:
    test = run["metrics"]["test"]
    test["baselines"]["without_embeddings"] = None
    test["reason"] = "without_embeddings: every kept entry belongs to the embeddings"


def without_records(run: Files) -> None:
    for one in run["trainings"]:
        one["curves"] = []


NULLS: list[tuple[Callable[[Files], None], list[str]]] = [
    (with_no_seed_converged, ["No seed converged", "None of the 3 seeds tried meets", "reaches correlation 0.31"]),
    (
        with_a_degenerate_encoder,
        ["It cannot be said", "Constant encodings: all 521 are 1.", "has no correlation at all"],
    ),
    (
        with_supervised_encoder,
        ["Nothing was rewritten", "supervised_encoder trains no decoder.", f"No figure: {SUPERVISED}"],
    ),
    (with_supervised_decoder, ["supervised_decoder: the encoder is not trained", "Nothing was encoded."]),
    (without_neutral_texts, ["No neutral texts."]),
    (with_nothing_that_passes, ["Nothing was chosen", "nearest: learning rate 0.01 with LMS 0.43"]),
    (without_a_score_of_the_embeddings, ["every kept entry belongs to the embeddings"]),
    (without_records, ["No training has recorded anything."]),
]


# Making the page


def write_run(folder: Path, run: Files) -> dict[str, Any]:
    """Write a run's files; the arguments of the stage."""
    given: dict[str, Any] = {"settings": Report(target_classes=run["model_config"]["target_classes"])}
    for name, content in run.items():
        if isinstance(content, list):
            given[name] = [folder / f"{name}-{one['seed']}.json" for one in content]
            for path, one in zip(given[name], content, strict=True):
                write_json(path, one)
        elif isinstance(content, pd.DataFrame):
            given[name] = folder / f"{name}.parquet"
            write_table(given[name], content)
        elif isinstance(content, ParameterSpace):
            given[name] = folder / "space.safetensors"
            content.save(given[name])
        else:
            given[name] = folder / f"{name}.json"
            write_json(given[name], content)
    return given | {"plots": folder / "plots", "out": folder / "report.html"}


def page_of(folder: Path, run: Files, **more: Any) -> str:
    given = write_run(folder, run) | more
    report.run(**given)
    return Path(given["out"]).read_text(encoding="utf-8")


def words_of(run: Files, benchmarks: Path | None = None) -> str:
    """What a reader sees of a run's page, its figures not drawn (drawing them takes a second)."""
    inputs = Inputs(
        **run,
        target_classes=run["model_config"]["target_classes"],
        benchmarks=read_benchmarks(benchmarks),
    )
    shown = pictures(inputs)
    empty = '<svg xmlns="http://www.w3.org/2000/svg"></svg>'
    return Reader(render(inputs, shown, {one.name: empty for one in shown})).text


class Reader(HTMLParser):
    """Collects ids, links, tags and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.labels: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            elif name in ("href", "src", "xlink:href", "action", "data", "poster", "srcset"):
                self.links.append(str(value))
            elif name == "aria-label":
                self.labels.append(str(value))

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(tmp_path_factory.mktemp("report"), files())


# The page


def test_the_page_fetches_nothing_and_every_link_leads_into_it(page: str) -> None:
    reader = Reader(page)
    assert reader.links and all(link.startswith("#") and link[1:] in reader.ids for link in reader.links)
    assert not {"script", "link", "img", "iframe", "object", "image"} & set(reader.tags)
    assert "@import" not in page and set(re.findall(r"url\((.)", page)) <= {"#"} and "http:" not in page
    assert len(page.encode()) < 5_000_000


def test_no_id_occurs_twice_and_every_reference_has_its_id(page: str) -> None:
    ids = Reader(page).ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_every_figure_says_in_words_what_it_shows(page: str) -> None:
    reader = Reader(page)
    assert reader.tags.count("svg") == reader.tags.count("figure") == 7
    assert all(len(label) > 20 for label in re.findall(r'<svg[^>]*role="img"[^>]*aria-label="([^"]*)"', page))
    assert any("female" in label and "medians" in label for label in reader.labels)


def test_the_answers_come_first_with_numbers_and_sample_sizes(page: str) -> None:
    text = Reader(page).text
    assert "On test (n = 521 rows) encoded value and label correlate with 0.960" in text
    assert "95 % interval [0.940, 0.970], p ≤ 0.001 by permutation" in text
    assert "scores 0.900 on the same rows, below the GRADIEND's interval: training added +0.060." in text
    assert "To strengthen female: P(female) on male examples 0.063 → 0.081 on test (n = 521, all classes)" in text
    assert "The LMS goes 0.437 → 0.436 (10,000 tokens, paired difference \u22120.0015 ± 0.0012): 99.67 %" in text
    assert "2 of 3 seeds tried converged (correlation ≥ 0.5)." in text
    assert text.index("What did training add?") < text.index("How training went") < text.index("Data: how many")


def test_only_validation_decides_and_so_only_its_candidates_are_drawn(page: str) -> None:
    text = Reader(page).text
    assert f"On validation; one point a learning rate ({len(RATES)}, 5 keep the LMS)." in text


def test_every_warning_is_collected(page: str) -> None:
    text = Reader(page).text
    for warning in ("eval_steps 25 does not divide", "only 812 tokens decide", "7 dropped from train"):
        assert warning in text


def test_an_alarm_is_there_only_when_no_seed_converged_and_then_at_the_top() -> None:
    run = files()
    assert "No seed converged" not in words_of(run)
    with_no_seed_converged(run)
    text = words_of(run)
    assert 0 < text.index("No seed converged") < text.index("Does the encoder separate")


@pytest.mark.parametrize(("change", "words"), NULLS, ids=[change.__name__ for change, _ in NULLS])
def test_what_is_missing_is_said_in_words(change: Callable[[Files], None], words: list[str]) -> None:
    run = files()
    change(run)
    text = words_of(run)
    for expected in words:
        assert expected in text
    assert not re.search(r"\b(nan|NaN|None|null|inf)\b", text.replace("None of the", "").replace("None was", ""))


def test_a_run_in_which_everything_failed_still_has_a_page(tmp_path: Path) -> None:
    run = files()
    for change in (with_supervised_encoder, with_a_degenerate_encoder, without_neutral_texts, without_records):
        change(run)
    page = page_of(tmp_path, run)
    assert "No seed converged" in page and "NaN" not in page


def test_the_same_input_gives_the_same_bytes_and_old_figures_go(page: str, tmp_path: Path) -> None:
    given = write_run(tmp_path, files())
    given["plots"].mkdir()
    (given["plots"] / "of_an_earlier_run.svg").write_text("")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    report.run(**given)
    assert given["out"].read_text(encoding="utf-8") == page
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert sorted(path.relative_to(tmp_path).as_posix() for path in new) == [
        "plots/convergence.svg",
        "plots/decoder_grid_strengthen_female.svg",
        "plots/decoder_grid_strengthen_male.svg",
        "plots/encoded_values.svg",
        "plots/kept_entries.svg",
        "plots/probability_shift_strengthen_female.svg",
        "plots/probability_shift_strengthen_male.svg",
        "report.html",
    ]
    assert not (given["plots"] / "of_an_earlier_run.svg").exists()


def test_names_are_text_never_markup(tmp_path: Path) -> None:
    first, second, third = "<script>alert(1)</script>", "a\"b' & $x_1$", "{{ 7 * 7 }}"
    page = page_of(tmp_path, files(first, second, (third,)))
    reader = Reader(page)
    assert "script" not in reader.tags and "alert(1)" in page
    assert third in page and second in reader.text
    assert any(first in label for label in reader.labels)
    assert len(list((tmp_path / "plots").iterdir())) == 7


def test_many_classes_and_long_names_fit() -> None:
    others = tuple(f"a class with quite a long name, number {n}" for n in range(10))
    text = words_of(files(others=others))
    assert all(name in text for name in others)
    assert "The means of the 10 other classes go" in text and "n = 4,000 in all: near 0" in text


def test_weaken_and_balance_are_shown_too() -> None:
    run = files()
    own = run["decoder"][FIRST]["strengthen"]
    run["decoder"][FIRST]["weaken"] = own | {"feature_factor": -1.0, "test": measured(0.995, -0.05, FIRST, SECOND)}
    run["decoder"]["balance"] = {"balance": own | {"test": measured(0.98, 0.4, FIRST, SECOND)}}
    lines = [run["grid"].assign(target_class="balance", direction="balance"), run["grid"].assign(direction="weaken")]
    run["grid"] = pd.concat([run["grid"], *lines], ignore_index=True)
    text = words_of(run)
    assert "To weaken female: P(female) on female examples 0.786 → 0.760" in text
    assert "To balance the two classes: |P(female) \u2212 P(male)| 0.700 → 0.500" in text
    assert "less than was asked for" in text and "A part of what was wanted" in text
    assert "Candidates to balance the two classes" in text


def test_many_means_are_said_in_one_sentence_few_in_one_each() -> None:
    assert "The class neuter (n = 400) encodes to" in words_of(files())


def test_a_threshold_that_is_not_recorded_is_said() -> None:
    run = files()
    assert "is not recorded" not in words_of(run)
    del run["decoder"]["lms_ratio"]
    assert "Which share of the LMS must be kept is not recorded." in words_of(run)


def test_seeds_judged_by_their_loss_are_described_by_it() -> None:
    run = files()
    run["seed_report"] |= {"convergence_metric": "loss", "threshold": 1e-9, "convergent_count": 3}
    for place, one in enumerate(run["seed_report"]["runs"]):
        one |= {"convergence_metric": "loss", "convergence_metric_value": (2 + place) * 1e-10, "converged": True}
    text = words_of(run)
    assert "3 of 3 seeds tried converged (loss \u2264 1e-09). The loss goes from 2e-10 to 4e-10." in text


def test_a_single_seed_says_nothing_about_stability() -> None:
    run = files()
    run["seed_report"] = seed_report(0.97)
    for name in ("trainings", "evaluations"):
        run[name] = run[name][:1]
    assert "? Only one seed was tried" in words_of(run)


def test_an_untrained_direction_that_does_as_well_is_said() -> None:
    run = files()
    run["metrics"]["test"]["baselines"]["mean_difference"] = 0.965
    text = words_of(run)
    assert "No better encoder and no better rewrite" in text
    run["decoder"]["baselines"]["mean_difference"] = {}
    assert "No better encoder, but a better rewrite" in words_of(run)
    assert "inside the GRADIEND's interval (difference \u22120.005): no gain can be shown." in text


def test_a_reversed_sign_counts_only_where_nothing_was_normalised() -> None:
    run = files()
    run["metrics"]["test"] |= {"correlation": -0.9, "correlation_interval": [-0.92, -0.88]}
    assert "✗ No " in words_of(run)
    run["model_config"] |= {"normalized": False, "correlation": -0.95}
    assert "✓ Yes, clearly" in words_of(run)


def options_of(given: dict[str, Any]) -> list[str]:
    options = ["--settings", canonical(given["settings"])]
    for name, value in given.items():
        if name != "settings":
            options += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return options


def test_the_stage_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = files()
    with_supervised_encoder(run)
    given = write_run(tmp_path, run)
    assert main(report.run, options_of(given)) == 0
    assert capsys.readouterr().out == f"report: {given['out']}\n"


def test_a_broken_input_is_named_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = write_run(tmp_path, files())
    given["decoder"].write_text("{")
    assert main(report.run, options_of(given)) == 1
    assert f"{given['decoder']}: not a JSON file" in capsys.readouterr().err
    assert not given["out"].exists() and not given["plots"].exists()


def test_provenance_has_versions_digests_and_arguments(page: str) -> None:
    text = Reader(page).text
    for expected in ("results/demo/demo/model", "cd34" * 16, "ab12" * 16, '"num_train_epochs": 3'):
        assert expected in text


# Benchmarks


def test_benchmarks_are_shown_in_the_order_of_the_pipeline_and_may_be_incomplete(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    header = "s\th:m:s\tmax_rss\tmax_vms\n"
    (folder / "train-0.tsv").write_text(header + "62.5\t0:01:02\t512.5\t-\n")
    (folder / "prepare_data.tsv").write_text(header + "2.5\t0:00:02\tNA\t-\n")
    (folder / "select_seed.tsv").write_text("")
    (folder / "report.tsv").write_text(header + "1\t0:00:01\t1\t1\n")
    table = read_benchmarks(folder)
    assert table["job"].tolist() == ["prepare_data", "train-0"]
    assert table["memory"].isna().tolist() == [True, False]
    text = words_of(files(), folder)
    assert "1 min 2 s 512 MiB" in text and "All jobs together: 1 min 5 s." in text


@pytest.mark.parametrize("folder", [None, Path("/nowhere/at/all")])
def test_without_benchmarks_the_page_says_so(folder: Path | None) -> None:
    assert "No benchmark files were found." in words_of(files(), folder)


# Numbers, names, SVG


@pytest.mark.parametrize(
    ("function", "value", "shown"),
    [
        (numbers.score, 0.97712, "0.977"),
        (numbers.score, 0.99996, "> 0.999"),
        (numbers.score, 1.0, "1.000"),
        (numbers.score, -0.0001, "0.000"),
        (numbers.score, -0.5, "\u22120.500"),
        (numbers.score, float("nan"), "\u2013"),
        (numbers.change, 0.25, "+0.250"),
        (numbers.probability, 0.00001, "< 0.0001"),
        (numbers.probability, 0.0052, "0.0052"),
        (numbers.probability, 0.0, "0.000"),
        (numbers.p_value, 1 / 1001, "p ≤ 0.001"),
        (numbers.p_value, 0.0213, "p = 0.021"),
        (numbers.count, 10_000, "10,000"),
        (numbers.number, 2.13e-10, "2.13e-10"),
        (numbers.duration, 3725, "1 h 2 min"),
        (numbers.interval, None, "\u2013"),
    ],
)
def test_numbers_have_sensible_digits(function: Callable[[Any], str], value: Any, shown: str) -> None:
    assert function(value) == shown


def test_layers_and_components_come_from_any_models_names() -> None:
    bert = shares_by_layer({"bert.embeddings.w.weight": (1, 10), "bert.encoder.layer.11.output.dense.bias": (1, 2)})
    assert bert.columns.tolist() == ["\u2013", 11] and bert.index.tolist() == ["embeddings.w", "output.dense (bias)"]
    gpt2 = shares_by_layer(
        {"wte.weight": (0, 5), "h.0.attn.c_attn.weight": (5, 10), "h.1.attn.c_attn.weight": (10, 10)}
    )
    assert gpt2.loc["attn.c_attn"].dropna().to_dict() == {0: 0.5, 1: 1.0}
    t5 = shares_by_layer({"encoder.block.0.layer.0.q.weight": (1, 2), "decoder.block.0.layer.0.q.weight": (2, 2)})
    assert sorted(t5.index) == ["decoder: layer.0.q", "encoder: layer.0.q"]


def test_an_inlined_figure_has_a_label_and_ids_of_its_own() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9">'
    svg += '<g id="a" clip-path="url(#b)"><use xlink:href="#a"/><text>#a url(#b)</text></g></svg>'
    shown = inlined(svg, 'says "what"', "one-")
    assert 'aria-label="says &quot;what&quot;"' in shown and "w3.org" not in shown and "width" not in shown
    assert '<g id="one-a" clip-path="url(#one-b)"><use href="#one-a" /><text>#a url(#b)</text></g>' in shown
