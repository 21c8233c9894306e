"""The answers: what is said, how sure, and what is missing."""

import re
from collections.abc import Callable

import pandas as pd
import pytest
from report_failures import NULLS, with_no_seed_converged
from report_reader import Reader, words_of
from report_runs import FIRST, SECOND, Files, files, measured, seed_report


def test_the_answers_come_first_with_numbers_and_sample_sizes(page: str) -> None:
    text = Reader(page).text
    assert "On test (n = 521 rows) encoded value and label correlate with 0.960" in text
    assert "95 % interval [0.940, 0.970], p ≤ 0.001 by permutation" in text
    assert "scores 0.900 on the same rows, below the GRADIEND's interval: training added +0.060." in text
    assert "To strengthen female: P(female) on male examples 0.063 → 0.081 on test (n = 521, all classes)" in text
    assert "The LMS goes 0.437 → 0.436 (10,000 tokens, paired difference \u22120.0015 ± 0.0012): 99.67 %" in text
    assert "2 of 3 seeds tried converged (correlation ≥ 0.5)." in text
    assert text.index("What did training add?") < text.index("How training went") < text.index("Data: how many")


def test_an_alarm_is_there_only_when_no_seed_converged_and_then_at_the_top() -> None:
    run = files()
    assert "No seed converged" not in words_of(run)
    with_no_seed_converged(run)
    text = words_of(run)
    assert 0 < text.index("No seed converged") < text.index("Does the encoder separate")
    assert "? Yes, clearly; not converged" in text and "✓" not in text


@pytest.mark.parametrize(("change", "words"), NULLS, ids=[change.__name__ for change, _ in NULLS])
def test_what_is_missing_is_said_in_words(change: Callable[[Files], None], words: list[str]) -> None:
    run = files()
    change(run)
    text = words_of(run)
    for expected in words:
        assert expected in text
    assert not re.search(r"\b(nan|NaN|None|null|inf)\b", text.replace("None of the", "").replace("None was", ""))


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


CONTROL = "Control: the same training on batches drawn regardless of class scores"


def test_the_control_stands_beside_its_random_encoder_with_what_it_means() -> None:
    run = files()
    text = words_of(run)
    assert (
        f"{CONTROL} 0.600 to 0.700 (2 seeds) on the same rows (n = 521), its random encoder before the first step"
        in text
    )
    assert "\u22120.100 to 0.200 (2 seeds). These are of each training's best step; at the last one" in text
    assert "0.995 to > 0.999 for the control, 0.995 for the GRADIEND. The control is below the GRADIEND's" in text
    assert "GRADIEND's interval at the best steps, but not below it at the last ones" in text
    for one in run["controls"]:
        one["curves"][-1]["correlation"] = -0.7
    assert "interval: with batches of one class each, training finds the classes better" in words_of(run)
    run["controls"][0]["control"]["test"]["correlation"] = 0.95  # inside [0.940, 0.970]
    assert "The control is not below the GRADIEND's interval" in words_of(run)
    run["controls"] = run["controls"][:1]
    assert f"{CONTROL} 0.950, 95 % interval [0.580, 0.610] on the same rows" in words_of(run)


def test_a_control_that_has_no_score_says_why_and_without_controls_there_is_no_word_of_them() -> None:
    run = files()
    for one in run["controls"]:
        one["control"]["test"] |= {"correlation": None, "correlation_interval": None, "reason": "constant encodings"}
    text = words_of(run)
    assert f"{CONTROL} nothing (constant encodings)" in text and "Control, seed 1: constant encodings." in text
    assert "interval: with batches of one class" not in text
    run["controls"] = []
    assert "ontrol" not in words_of(run)


def test_a_reversed_sign_counts_only_where_nothing_was_normalised() -> None:
    run = files()
    run["metrics"]["test"] |= {"correlation": -0.9, "correlation_interval": [-0.92, -0.88]}
    assert "✗ No " in words_of(run)
    run["model_config"] |= {"normalized": False, "correlation": -0.95}
    assert "✓ Yes, clearly" in words_of(run)
