"""Names of classes and files are text: no shell runs them, no page shows them as its own, no path leaves the folder."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from experiment import CONFIG, Experiment
from tiny import save_learnt_model, story_examples, story_neutral

FIRST, SECOND = "$(touch pwned); `touch pwned`\" && touch pwned #'", "../../<script>alert(1)</script> {wildcards} ü"


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.long
@pytest.mark.parametrize("several", [False, True])
def test_a_class_may_have_any_name(tmp_path: Path, several: bool) -> None:
    folder = tmp_path / "a" / "b" / "it's $HOME; {run}"
    folder.mkdir(parents=True)
    save_learnt_model(folder / "mo $(touch pwned) del")
    names = {"female": FIRST, "male": SECOND}
    examples = story_examples()
    examples["label_class"] = examples["label_class"].replace(names)
    examples.to_csv(folder / "exa;touch pwned;mples.csv", index=False)
    story_neutral().to_csv(folder / "neutral.csv", index=False)
    experiment = Experiment(folder)
    changes: dict[str, Any] = {
        "model": "mo $(touch pwned) del",
        "data__source": "exa;touch pwned;mples.csv",
        "target_classes": [FIRST, SECOND],
        "training_arguments__max_seeds": 1,
        "training_arguments__min_convergent_seeds": 1,
        "decoder": {"learning_rates": [0.3, 0.1], "directions": CONFIG["decoder"]["directions"]},
    }
    experiment.write(
        experiment.config(changes | ({"runs": {"one": {}, "two": {"data": {"neutral": None}}}} if several else {}))
    )
    experiment.run()
    assert not [name for name in everything_in(tmp_path) if name.endswith("pwned")]
    above = {"a", "a/b", f"a/b/{folder.name}"}
    assert everything_in(tmp_path) == above | {f"a/b/{folder.name}/{name}" for name in everything_in(folder)}
    for page in experiment.path().rglob("*.html"):
        assert "<script>alert(1)" not in page.read_text()
    run = experiment.path("one") if several else experiment.path()
    classes = set(pd.read_parquet(run / "encoder" / "encodings.parquet")["factual_class"])
    assert {FIRST, SECOND} <= classes
    assert experiment.planned() == {}
