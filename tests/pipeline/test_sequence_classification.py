"""The whole pipeline on a tiny text classifier."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from experiment import Experiment
from families import CLASSIFIERS
from tiny import story_examples, story_neutral, tiny_tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

LABELS = ["female", "male", "plural"]


def labelled_texts() -> pd.DataFrame:
    """Columns of a classifier's data file: whole texts, in which the noun tells the label."""
    stories = story_examples()
    texts = stories["masked"].str.replace("[MASK]", "it", regex=False)
    return pd.DataFrame({"text": texts, "label": stories["label_class"], "split": stories["split"]})


def save_learnt_classifier(folder: Path) -> None:
    """A tiny BERT that has learnt the labels of the texts, and that neutral ones are of the third."""
    words, data = tiny_tokenizer(), labelled_texts()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLASSIFIERS["BERT classifier"](len(words)).eval()
        for parameter in model.parameters():  # from small weights it learns slowly
            parameter.data += 0.1 * torch.randn(parameter.shape)
    neutral = story_neutral()["text"].tolist()
    batch = words([*data["text"], *neutral], return_tensors="pt", padding=True)
    wanted = torch.tensor([*map(LABELS.index, data["label"]), *[2] * len(neutral)])
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(**batch).logits, wanted)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    model.save_pretrained(folder)
    words.save_pretrained(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An experiment on the classifier that ran to its end."""
    folder = tmp_path_factory.mktemp("classifier")
    experiment = Experiment.new(
        folder,
        training_arguments__max_steps=200,
        training_arguments__max_seeds=1,
        training_arguments__min_convergent_seeds=1,
        training_arguments__post_prune_config=None,
        decoder__directions=["strengthen"],
    )
    shutil.rmtree(folder / "model")
    save_learnt_classifier(folder / "model")
    labelled_texts().to_csv(folder / "examples.csv", index=False)
    experiment.run()
    return experiment


def test_the_encoder_separates_the_labels_and_the_rewritten_models_prefer_them(finished: Experiment) -> None:
    metrics = json.loads(finished.path("encoder", "metrics.json").read_text())
    assert metrics["test"]["correlation"] > 0.9
    summary = json.loads(finished.path("decoder", "summary.json").read_text())
    assert summary["base"]["test"]["lms"] == 1.0 and summary["base"]["test"]["lms_tokens"] == 24
    for one, other in (("female", "male"), ("male", "female")):
        chosen = summary[one]["strengthen"]["test"]
        assert chosen[f"p_{one}_on_{other}"] > summary["base"]["test"][f"p_{one}_on_{other}"]
        assert chosen["lms"] >= 0.99


def test_a_rewritten_classifier_is_one_and_moves_the_label_of_texts_it_never_saw(finished: Experiment) -> None:
    folders = {name: finished.path("rewritten", name) for name in ("female", "male")}
    data = labelled_texts().query("split == 'test'")
    for name, other in (("female", "male"), ("male", "female")):
        texts = data.loc[data["label"] == other, "text"].tolist()
        shares = []
        for folder in (finished.folder / "model", folders[name]):
            model = AutoModelForSequenceClassification.from_pretrained(folder)
            batch = AutoTokenizer.from_pretrained(folder)(texts, return_tensors="pt", padding=True)
            with torch.no_grad():
                shares.append(float(model(**batch).logits.softmax(-1)[:, LABELS.index(name)].mean()))
        assert shares[1] > shares[0]


def test_the_report_says_what_stands_for_the_lms(finished: Experiment) -> None:
    page = finished.path("report.html").read_text(encoding="utf-8")
    assert "its LMS is the share of neutral texts whose label stays the same" in page
    assert "24 texts, paired difference" in page
