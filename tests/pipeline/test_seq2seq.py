"""The whole pipeline on tiny sequence-to-sequence models."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from experiment import Experiment
from families import SEQ2SEQ, family
from tiny import story_examples, story_neutral
from transformers import AutoModelForSeq2SeqLM

from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.seq2seq_lm import seq2seq_lm
from gradiend.backbones.slots import losses


def learnt(name: str) -> LanguageModel:
    """A model that has learnt the texts of the tests, at their slots and at hidden tokens."""
    words, stories, draw = family(name).tokenizer, story_examples(), np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        base = seq2seq_lm(SEQ2SEQ[name](len(words)), words)
    asked = base.encode(stories["masked"].tolist(), stories["label"].tolist(), range(len(stories)))
    whole = base.language_slots(story_neutral()["text"].tolist())
    optimiser = torch.optim.AdamW(base.model.requires_grad_(True).parameters(), lr=0.01)
    for _ in range(300):
        slots = [slot for slot in draw.choice(np.array(asked, dtype=object), 24) if slot is not None]
        slots += [base.at(slot, sorted(draw.permutation(len(slot.positions))[:2].tolist())) for slot in whole[:24]]
        optimiser.zero_grad()
        losses(base.logits(batch := base.batch(slots)), batch).mean().backward()
        optimiser.step()
    base.model.requires_grad_(False)
    return base


@pytest.mark.long
@pytest.mark.parametrize("name", ["T5", "BART"])
def test_the_pipeline_trains_evaluates_and_rewrites_a_sequence_to_sequence_model(name: str, tmp_path: Path) -> None:
    experiment = Experiment.new(tmp_path)
    shutil.rmtree(tmp_path / "model")
    base = learnt(name)
    base.save_pretrained(tmp_path / "model")
    arguments = {"max_steps": 200, "post_prune_config": None, "max_seeds": 1, "min_convergent_seeds": 1}
    changes = {"decoder__lms_ratio": 0.5} | {f"training_arguments__{key}": value for key, value in arguments.items()}
    experiment.write(experiment.config(changes))
    experiment.run()
    metrics = json.loads(experiment.path("encoder", "metrics.json").read_text())
    assert metrics["test"]["correlation"] > 0.9
    summary = json.loads(experiment.path("decoder", "summary.json").read_text())
    for one, other in (("female", "male"), ("male", "female")):
        chosen = summary[one]["strengthen"]["test"]
        assert chosen[f"p_{one}_on_{other}"] > summary["base"]["test"][f"p_{one}_on_{other}"]
    folders = [path.parent for path in experiment.path("rewritten").rglob("config.json")]
    assert len(folders) >= 2
    for folder in folders:
        rewritten = AutoModelForSeq2SeqLM.from_pretrained(folder)
        assert set(dict(rewritten.named_parameters())) == set(dict(base.pretrained.named_parameters()))
