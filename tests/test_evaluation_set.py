"""The examples of a decoder evaluation: where a class has none, one line says so before anything is measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import CLASSES, base_model_settings, random_space, tiny_examples, tiny_masked_lm, tiny_neutral

from gradiend.decoding import SplitEvaluator
from gradiend.errors import GradiendError
from gradiend.examples.summary import surface_forms
from gradiend.measurements import Measurements
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.rewriting import Rewriter
from gradiend.settings import EvaluateDecoder
from gradiend.stages.evaluation_set import EvaluationSet
from gradiend.stages.own_gradiend import own_gradiend

SETTINGS = EvaluateDecoder(
    base_model=base_model_settings("unused"),
    target_classes=list(CLASSES),
    source="alternative",
    target="diff",
    learning_rates=[0.1],
    lms_ratio=0.99,
    directions=["strengthen"],
    feature_factors=None,
    max_examples=None,
    max_neutral=None,
    seed=0,
    live=None,
)


def evaluator(settings: EvaluateDecoder, examples: pd.DataFrame, too_long: str = "error") -> SplitEvaluator:
    base = tiny_masked_lm()
    base.too_long = too_long
    chosen = EvaluationSet(settings, base, examples, tiny_neutral(), surface_forms(examples), 4)
    rewriter = Rewriter(base.parameters(), random_space(base, 0.5))
    return chosen.evaluator("validation", rewriter, Measurements())


def test_a_cap_that_leaves_a_class_without_examples_is_named_with_the_least_that_works() -> None:
    examples = tiny_examples()
    least = examples.query("split == 'validation'")["factual_class"].nunique()
    wanted = (
        f"training_like: {least - 1} leaves no example of {least} classes, of which equally many are read: should be "
        f"at least {least}"
    )
    with pytest.raises(GradiendError, match=wanted):
        evaluator(replace(SETTINGS, max_examples=least - 1), examples)
    assert evaluator(replace(SETTINGS, max_examples=least), examples)


@pytest.mark.parametrize("change", [{"target": "factual"}, {"source": "diff"}, {"target_classes": ("male", "female")}])
def test_a_decoder_of_other_settings_is_not_evaluated(tmp_path: Path, change: dict[str, Any]) -> None:
    own = {"target_classes": CLASSES, "source": "alternative", "target": "diff"}
    space = random_space(tiny_masked_lm(), 0.5)
    for name, config in (("own", own), ("other", own | change)):
        GradiendModel(space, GradiendConfig(**config)).initialise(0).save_pretrained(tmp_path / name)
    assert own_gradiend(tmp_path / "own", SETTINGS).space.digest == space.digest
    with pytest.raises(
        GradiendError, match=r"other/config\.json: is a GRADIEND of .*, the settings say female and male"
    ):
        own_gradiend(tmp_path / "other", SETTINGS)


def test_a_class_whose_texts_are_all_dropped_is_named() -> None:
    examples = tiny_examples()
    long = (examples["split"] == "validation") & (examples["factual_class"] == "female")
    examples.loc[long, "masked"] += " the old tree" * 20
    with pytest.raises(GradiendError, match="validation: no example of class 'female' is left that the base model can"):
        evaluator(SETTINGS, examples, "drop")
