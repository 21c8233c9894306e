"""Transitions: alternatives given and derived, merged classes, transition groups, identity examples."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from gradiend.errors import GradiendError
from gradiend.examples.classes import merged_classes
from gradiend.examples.sources import Source
from gradiend.examples.transitions import Transitions, transitions

PERSONS = {"singular": ["1SG", "3SG"], "plural": ["1PL", "3PL"]}
GROUPS = [["1SG", "1PL"], ["3SG", "3PL"]]
Row = tuple[str, str, str | None, str | None]


def made(
    rows: Sequence[Row],
    targets: Sequence[str] = ("F", "M"),
    merge: dict[str, list[str]] | None = None,
    groups: list[list[str]] | None = None,
    *,
    identity: bool = False,
) -> Transitions:
    """Transitions of rows `(factual, factual class, alternative, alternative class)`."""
    columns = ["factual", "factual_class", "alternative", "alternative_class"]
    table = pd.DataFrame(rows, columns=columns).astype("str").where(lambda cells: cells != "None")
    table["masked"] = "[MASK]"
    known = [table[name].dropna().unique() for name in ("factual_class", "alternative_class")]
    classes = merged_classes(known[0], known[1], targets, merge, groups)
    return transitions(Source(table, ["file"], [0]), classes, targets, identity=identity)


def as_rows(found: Transitions) -> list[tuple[Any, ...]]:
    columns = ["factual", "factual_class", "alternative", "alternative_class"]
    return [tuple(row) for row in found.examples[columns].itertuples()]


def test_the_alternative_of_the_other_target_class_is_taken_from_the_row() -> None:
    found = made([("she", "F", "hee", "M"), ("he", "M", "her", "F"), ("he", "M", "she", "F")])
    assert as_rows(found) == [(0, "she", "F", "hee", "M"), (1, "he", "M", "her", "F"), (2, "he", "M", "she", "F")]
    assert not found.derived and not found.dropped and not found.warnings


@pytest.mark.parametrize("given_alternative", [(None, None), (None, "M"), ("it", "N"), ("she", "F")])
def test_any_other_alternative_is_derived_from_the_only_surface_form(given_alternative: Any) -> None:
    found = made([("she", "F", *given_alternative), ("he", "M", "she", "F"), ("he", "M", None, None)])
    assert as_rows(found)[0] == (0, "she", "F", "he", "M")
    assert found.derived == {"F -> M": 1, "M -> F": 1}


def test_an_alternative_without_a_class_is_the_other_target_class_unless_known_as_another_class_only() -> None:
    found = made(
        [("she", "F", "he", None), ("he", "M", "her", None), ("it", "N", None, None), ("he", "M", "it", None)][:3]
    )
    assert as_rows(found)[:2] == [(0, "she", "F", "he", "M"), (1, "he", "M", "her", "F")]
    found = made([("she", "F", "it", None), ("he", "M", "she", "F"), ("it", "N", None, None)])
    assert as_rows(found)[0] == (0, "she", "F", "he", "M")


def test_an_ambiguous_alternative_is_an_error_that_lists_the_forms_and_names_the_row() -> None:
    with pytest.raises(GradiendError) as caught:
        made([("he", "M", "she", "F"), ("her", "F", "him", "M"), ("he", "M", None, None)])
    assert "file: row 3: class 'M' has no alternative of class 'F'" in str(caught.value)
    assert "'F' has 2 surface forms ('her', 'she')" in str(caught.value)


def test_equal_label_and_alternative_are_an_error_that_names_the_row() -> None:
    with pytest.raises(
        GradiendError, match="file: row 2: label and alternative are both 'der', for class 'F' and for 'M'"
    ):
        made([("er", "M", "sie", "F"), ("der", "F", "der", "M")])


def test_other_classes_are_dropped_and_counted_by_name() -> None:
    found = made([("she", "F", "he", "M"), ("it", "N", None, None), ("he", "M", "she", "F"), ("it", "N", "he", "M")])
    assert found.dropped == {"class 'N': not a target class": 2}
    assert found.examples.index.tolist() == [0, 2] and not found.warnings


def test_other_classes_become_identity_examples_where_configured() -> None:
    rows: list[Row] = [("she", "F", "he", "M"), ("it", "N", "he", "M"), ("he", "M", "she", "F")]
    found = made(rows, identity=True)
    assert as_rows(found)[1] == (1, "it", "N", "it", "N") and not found.dropped


def test_a_class_that_looks_like_a_target_class_is_named_in_a_warning() -> None:
    rows: list[Row] = [("she", "female", "he", "male"), ("he", "male", "she", "female"), ("she", "femal", None, None)]
    found = made([*rows, ("he", "male", "she", "Female ")], ["female", "male"])
    assert found.dropped == {"class 'femal': not a target class": 1}
    assert found.warnings == [
        "factual_class 'femal' (1 rows) is not a target class: is it 'female'?",
        "alternative_class 'Female ' (1 rows) is not a target class: is it 'female'?",
    ]


def test_an_alternative_that_is_given_but_not_used_is_named_in_a_warning() -> None:
    rows: list[Row] = [("she", "female", "he", "male"), ("he", "male", "it", "neuter"), ("he", "male", "it", None)]
    found = made(rows, ["female", "male"])
    assert [row[3] for row in as_rows(found)] == ["he", "she", "she"]
    assert found.warnings == [
        "2 alternatives of class 'male' are not of class 'female': 'she' is used instead (first: file: row 2: 'it')"
    ]


def test_forms_that_differ_in_capital_letters_only_are_said_to() -> None:
    rows: list[Row] = [("she", "female", "he", "male"), ("She", "female", "he", "male"), ("he", "male", None, None)]
    with pytest.raises(
        GradiendError, match=r"2 surface forms \('She', 'she'\): write it in one way \(they differ in c"
    ):
        made(rows, ["female", "male"])


def test_forms_that_differ_in_what_cannot_be_seen_are_shown_with_it() -> None:
    rows: list[Row] = [
        ("she", "female", "he", "male"),
        ("she\u200b", "female", "he", "male"),
        ("he", "male", None, None),
    ]
    with pytest.raises(GradiendError, match=r"2 surface forms \('she', 'she\\u200b'\)"):
        made(rows, ["female", "male"])


@pytest.mark.parametrize(("wanted", "name"), [("m\u00e2le", "ma\u0302le"), ("ma\u0302le", "m\u00e2le")])
def test_a_target_class_of_other_code_points_is_an_error_that_says_so(wanted: str, name: str) -> None:
    rows: list[Row] = [("she", "female", "he", name), ("he", name, "she", "female")]
    with pytest.raises(GradiendError, match=rf"did you mean '{name}', which is written with other code points\?"):
        made(rows, ["female", wanted])


def test_groups_that_hold_no_class_of_both_target_classes_are_named() -> None:
    rows: list[Row] = [("she", "F", "he", "M"), ("he", "M", "she", "F")]
    with pytest.raises(GradiendError, match="class_merge_transition_groups: no group has classes of both 'F' and 'M'"):
        made(rows, ["F", "M"], None, [["F"], ["M"]])


def test_male_and_female_do_not_look_alike() -> None:
    rows: list[Row] = [("she", "female", "he", "x"), ("he", "x", "she", "female"), ("he", "male", None, None)]
    assert made(rows, ["female", "x"]).warnings == []


def test_a_target_class_that_occurs_in_no_row_is_an_error_with_the_nearest_class() -> None:
    with pytest.raises(GradiendError, match=r"target_classes: the data has no class 'fem' \(did you mean 'feme'\?\)"):
        made([("she", "feme", None, None), ("he", "M", None, None)], ["fem", "M"])


def test_merged_classes_are_the_classes_of_the_examples() -> None:
    found = made(
        [("am", "1SG", "are", "1PL"), ("are", "3PL", "am", "1SG")],
        ["singular", "plural"],
        {"singular": ["1SG"], "plural": ["1PL", "3PL"]},
    )
    assert as_rows(found) == [(0, "am", "singular", "are", "plural"), (1, "are", "plural", "am", "singular")]


def test_transition_groups_derive_inside_their_cluster_only() -> None:
    rows: list[Row] = [
        ("ich", "1SG", None, None),
        ("wir", "1PL", None, None),
        ("er", "3SG", None, None),
        ("sie", "3PL", None, None),
    ]
    found = made(rows, ["singular", "plural"], PERSONS, GROUPS)
    assert found.examples["alternative"].tolist() == ["wir", "ich", "sie", "er"]
    with pytest.raises(GradiendError, match=r"row 2: class '1PL' .* 'singular' has 2 surface forms \('er', 'ich'\)"):
        made(rows, ["singular", "plural"], PERSONS)


def test_an_alternative_of_another_cluster_is_replaced_by_the_derived_one() -> None:
    rows: list[Row] = [
        ("ich", "1SG", "sie", "3PL"),
        ("wir", "1PL", "ich", "1SG"),
        ("er", "3SG", "sie", "3PL"),
        ("sie", "3PL", "er", "3SG"),
    ]
    found = made(rows, ["singular", "plural"], PERSONS, GROUPS)
    assert found.examples["alternative"].tolist() == ["wir", "ich", "sie", "er"]
    assert found.derived == {"singular -> plural": 1}


def test_a_class_whose_cluster_lacks_the_other_target_class_is_dropped_and_counted() -> None:
    rows: list[Row] = [
        ("ich", "1SG", None, None),
        ("wir", "1PL", None, None),
        ("er", "3SG", "wir", "1PL"),
        ("sie", "3PL", None, None),
    ]
    found = made(rows, ["singular", "plural"], PERSONS, [["1SG", "1PL"], ["3SG"]])
    assert found.examples["factual"].tolist() == ["ich", "wir"]
    reason = "its transition groups have no class of the other target class"
    assert found.dropped == {f"class '3SG': {reason}": 1, f"class '3PL': {reason}": 1}


@pytest.mark.parametrize(
    ("merge", "groups", "message"),
    [
        (
            {"singular": ["1SGG"], "plural": ["1PL"]},
            None,
            r"class_merge_map\.singular: the data has no class '1SGG' \(did you mean '1SG'",
        ),
        ({"singular": ["1SG", "1PL"], "plural": ["1PL"]}, None, "'1PL' is in 'singular' and in 'plural'"),
        ({"1PL": ["1SG"], "plural": ["3PL"]}, None, "'1PL' is also a class of the data"),
        (
            {"singular": ["1SG"], "plural": ["1PL"]},
            [["1SG", "PL"]],
            r"class_merge_transition_groups: the data has no class 'PL'",
        ),
        ({"singular": ["1SG"], "plural": []}, None, r"target_classes: the data has no class 'plural'"),
    ],
)
def test_mistakes_in_class_names_are_errors_that_name_setting_and_class(merge: Any, groups: Any, message: str) -> None:
    rows: list[Row] = [("ich", "1SG", "wir", "1PL"), ("wir", "1PL", "ich", "1SG"), ("sie", "3PL", None, None)]
    with pytest.raises(GradiendError, match=message):
        made(rows, ["singular", "plural"], merge, groups)


FORMS = {"1SG": ["ich"], "3SG": ["er", "es"], "1PL": ["wir"], "3PL": ["sie"], "X": ["du"]}
CELL = st.sampled_from([(form, name) for name, forms in FORMS.items() for form in forms])
ROW = st.tuples(CELL, st.one_of(st.just((None, None)), CELL)).map(lambda pair: (*pair[0], *pair[1]))
EACH: list[Row] = [(forms[0], name, None, None) for name, forms in FORMS.items()]


def by_hand(rows: Sequence[Row], groups: list[list[str]] | None, identity: bool) -> list[tuple[Any, ...]] | None:
    """The examples by the rule, row by row; None where an alternative is ambiguous."""
    merged = {name: target for target, names in PERSONS.items() for name in names}
    found: list[tuple[Any, ...]] = []
    for row, (factual, name, alternative, other) in enumerate(rows):
        if name not in merged:
            found += [(row, factual, name, factual, name)] if identity else []
            continue
        partners = {
            one
            for one in merged
            if merged[one] != merged[name] and (groups is None or any({one, name} <= set(group) for group in groups))
        }
        if not partners:
            continue
        if other not in partners:
            forms = {row[0] for row in rows if row[1] in partners} | {row[2] for row in rows if row[3] in partners}
            if len(forms) != 1:
                return None
            alternative = forms.pop()
        found.append((row, factual, merged[name], alternative, next(m for m in PERSONS if m != merged[name])))
    return found


@budget(max_examples=100, deadline=None)
@given(st.lists(ROW, max_size=12), st.sampled_from([None, GROUPS, [["1SG", "1PL", "3PL"]]]), st.booleans())
def test_transitions_are_those_of_the_rule_applied_row_by_row(
    drawn: list[Row], groups: list[list[str]] | None, identity: bool
) -> None:
    rows = [*EACH, *drawn]
    expected = by_hand(rows, groups, identity)
    if expected is None:
        with pytest.raises(GradiendError, match="surface forms"):
            made(rows, ["singular", "plural"], PERSONS, groups, identity=identity)
        return
    found = made(rows, ["singular", "plural"], PERSONS, groups, identity=identity)
    assert as_rows(found) == expected
    assert len(rows) == len(found.examples) + sum(found.dropped.values())


def test_every_combination_of_target_and_class_order_gives_both_transitions(
    pronouns: Callable[..., Any], prepared: Any
) -> None:
    for targets in (["female", "male"], ["male", "female"]):
        examples = prepared(pronouns(), target_classes=targets).examples
        pairs = set(zip(examples["factual_class"], examples["alternative_class"], strict=True))
        assert pairs == {("female", "male"), ("male", "female")}
