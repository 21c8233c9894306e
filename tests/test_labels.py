"""Labels and feature factors."""

import numpy as np
import pandas as pd
import pytest

from gradiend.labels import labels, spoken_class, strengthening_factor

TARGETS = ("female", "male")
ROWS = pd.DataFrame(
    [
        ("female", "male"),
        ("male", "female"),
        ("female", "female"),
        ("other", "other"),
        ("other", "female"),
        ("neutral", "neutral"),
    ],
    columns=["factual_class", "alternative_class"],
)
BY_SOURCE = {
    "factual": [1, -1, 0, 0, 0, 0],
    "diff": [1, -1, 0, 0, 0, 0],
    "alternative": [-1, 1, 0, 0, 1, 0],
}
# (source, target): the feature factor that strengthens the first target class
FACTORS = {
    ("factual", "factual"): -1,
    ("factual", "alternative"): 1,
    ("factual", "diff"): -1,
    ("alternative", "factual"): 1,
    ("alternative", "alternative"): -1,
    ("alternative", "diff"): 1,
    ("diff", "factual"): -1,
    ("diff", "alternative"): 1,
    ("diff", "diff"): -1,
}


@pytest.mark.parametrize("source", BY_SOURCE)
def test_a_label_is_that_of_the_class_that_the_source_gradient_speaks_for(source: str) -> None:
    found = labels(ROWS, source, TARGETS)
    assert found.dtype == np.float64
    assert found.tolist() == BY_SOURCE[source]


@pytest.mark.parametrize("source", BY_SOURCE)
def test_identity_rows_have_label_zero(source: str) -> None:
    identity = pd.DataFrame({"factual_class": TARGETS, "alternative_class": TARGETS})
    assert labels(identity, source, TARGETS).tolist() == [0, 0]


@pytest.mark.parametrize("source", BY_SOURCE)
def test_swapping_the_target_classes_swaps_the_signs(source: str) -> None:
    assert (labels(ROWS, source, TARGETS[::-1]) == -labels(ROWS, source, TARGETS)).all()


def test_the_alternative_gradient_speaks_for_the_alternative_class() -> None:
    assert spoken_class(ROWS, "alternative").tolist() == ROWS["alternative_class"].tolist()
    for source in ("factual", "diff"):
        assert spoken_class(ROWS, source).tolist() == ROWS["factual_class"].tolist()


def test_no_rows_have_no_labels() -> None:
    assert labels(ROWS.iloc[:0], "diff", TARGETS).shape == (0,)


@pytest.mark.parametrize(("source", "target"), FACTORS)
def test_the_strengthening_factor_is_the_designs_in_all_nine_cases(source: str, target: str) -> None:
    factor = FACTORS[source, target]
    assert strengthening_factor(0, source, target) == factor
    assert strengthening_factor(1, source, target) == -factor
