"""The same config gives the same bytes with the same number of threads, and the same correlations with any other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from chain import Chain
from tiny import LIMIT, seeded, tiny_tokenizer
from transformers import BertConfig, BertForMaskedLM

from gradiend.files import folder_files, read_json


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A base model large enough for its sums to be split between threads."""
    config = BertConfig(
        vocab_size=len(tiny_tokenizer()),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        max_position_embeddings=LIMIT,
    )
    seeded(lambda: BertForMaskedLM(config)).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path


def results(inputs: Path, out: Path) -> dict[str, bytes]:
    """The files of all stages."""
    prune = {"n_samples": 8, "topk": 1.0}
    Chain(inputs, out, max_steps=40, eval_steps=10, pre_prune_config=prune).run_all()
    return {str(path.relative_to(out)): path.read_bytes() for path in folder_files(out)}


def test_results_are_the_same_bytes_with_as_many_threads_and_the_same_correlations_with_more(inputs: Path) -> None:
    found = {}
    for name, count in (("one", 1), ("one-again", 1), ("two", 2), ("two-again", 2)):
        with threads(count):
            found[name] = results(inputs, inputs / name)
    for name in ("one", "two"):
        same = (found[name], found[f"{name}-again"])
        for own in same:
            del own["seed_report.json"]  # names folders
        assert same[0] == same[1]
    one, two = (read_json(inputs / name / "metrics.json") for name in ("one", "two"))
    for split in ("validation", "test"):
        assert two[split]["correlation"] == pytest.approx(one[split]["correlation"], abs=1e-6)
        assert two[split]["baselines"] == pytest.approx(one[split]["baselines"], abs=1e-6)
