"""Tables of one class with the words of all classes in columns named like them, as the race and religion data have."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gradiend.errors import GradiendError
from gradiend.examples.preparation import Prepared, prepare
from gradiend.examples.sources import read_source
from gradiend.experiment import Columns

WORDS = {
    "white": ["European", "Germanic", "Europe"],
    "black": ["African", "Nubian", "Africa"],
    "asian": ["Asian", "Khmer", "Asia"],
}
Prepare = Callable[..., Prepared]


def table(name: str, classes: Sequence[str] = tuple(WORDS), **changes: Any) -> list[dict[str, Any]]:
    """Nine texts of the class, three in each split; row `i` has word `i` of every class."""
    rows = [
        {"masked": f"{name} {split} {i} [MASK]", "split": split, **{one: WORDS[one][i] for one in classes}}
        for split in ("train", "validation", "test")
        for i in range(3)
    ]
    return [rows[0] | changes, *rows[1:]]


@pytest.fixture
def prepared_words(write: Callable[..., str], settings: Any) -> Prepare:
    """`prepared_words(white=rows)`: files of all classes, some of them other rows, through the whole stage."""

    def made(changes: dict[str, list[dict[str, Any]]] | None = None, **arguments: Any) -> Prepared:
        source = {name: write((changes or {}).get(name, table(name)), f"{name}.csv") for name in WORDS}
        return prepare(settings(data_source=source, **{"target_classes": ["white", "black"], **arguments}))

    return made


@pytest.mark.parametrize("target_classes", [["white", "black"], ["asian", "white"]])
def test_the_alternative_is_the_word_that_the_row_has_for_the_other_target_class(
    prepared_words: Prepare, target_classes: list[str]
) -> None:
    found = prepared_words(target_classes=target_classes)
    assert len(found.examples) == 18 and found.summary["derived_alternatives"] == {}
    for row in found.examples.itertuples():
        i = int(row.masked.split()[2])
        assert (row.factual, row.alternative) == (WORDS[row.factual_class][i], WORDS[row.alternative_class][i])
        assert {row.factual_class, row.alternative_class} == set(target_classes)


def test_other_classes_become_identity_examples_of_their_own_word(prepared_words: Prepare) -> None:
    found = prepared_words(add_identity_for_other_classes=True).examples
    asian = found[found["factual_class"] == "asian"]
    assert len(asian) == 9 and (asian["factual"] == asian["alternative"]).all()
    assert set(asian["factual"]) == set(WORDS["asian"])


def test_a_row_without_the_word_is_an_error_that_names_it_where_none_can_be_derived(prepared_words: Prepare) -> None:
    with pytest.raises(GradiendError, match=r"white\.csv: row 1: class 'white' has no alternative of class 'black'"):
        prepared_words({"white": table("white", black="")})


def test_a_word_of_the_other_class_that_is_the_label_is_an_error_that_names_the_row(prepared_words: Prepare) -> None:
    with pytest.raises(GradiendError, match=r"white\.csv: row 1: label and alternative are both 'European'"):
        prepared_words({"white": table("white", black="European")})


def test_an_alternative_that_a_row_gives_comes_before_the_words(prepared_words: Prepare) -> None:
    given = table("white", alternative="Kenyan", alternative_class="black")
    assert "Kenyan" in set(prepared_words({"white": given}).examples["alternative"])


def test_merged_classes_need_groups_where_a_row_has_words_of_several(prepared_words: Prepare) -> None:
    merge = {"here": ["white"], "there": ["black", "asian"]}
    arguments: dict[str, Any] = {"target_classes": ["here", "there"], "class_merge_map": merge}
    with pytest.raises(GradiendError, match=r"white\.csv: row 1: .*'asian', 'black'.*class_merge_transition_groups"):
        prepared_words(**arguments)
    found = prepared_words(**arguments, class_merge_transition_groups=[["white", "asian"]]).examples
    assert set(found[found["factual_class"] == "here"]["alternative"]) == set(WORDS["asian"])


def test_merged_classes_need_no_groups_where_every_row_gives_its_alternative(prepared_words: Prepare) -> None:
    white = [{**row, "alternative": "Kenyan", "alternative_class": "black"} for row in table("white")]
    found = prepared_words(
        {"white": white},
        target_classes=["here", "there"],
        class_merge_map={"here": ["white"], "there": ["black", "asian"]},
    ).examples
    assert set(found[found["factual_class"] == "here"]["alternative"]) == {"Kenyan"}


def test_a_column_of_labels_is_read_where_there_is_one(write: Callable[..., str]) -> None:
    rows = [{**row, "label": "pale"} for row in table("white")]
    source = read_source({"white": write(rows, "a.csv"), "black": write(table("black"), "b.csv")}, Columns(), "[MASK]")
    assert set(source.rows["factual"][:9]) == {"pale"} and set(source.rows["factual"][9:]) == set(WORDS["black"])


def test_white_space_around_words_is_left_out_and_counted(prepared_words: Prepare) -> None:
    found = prepared_words({"white": table("white", black=" Zulu", white="Roman ")})
    assert found.examples[["factual", "alternative"]].iloc[0].tolist() == ["Roman", "Zulu"]
    counted = [warning for warning in found.summary["warnings"] if "white space" in warning]
    assert counted == [f"column '{name}': white space around 1 cells is left out" for name in ("white", "black")]


def test_a_table_with_neither_labels_nor_a_column_of_its_class_is_an_error(write: Callable[..., str]) -> None:
    wrong = write(table("white", ["black"]), "white.csv")
    with pytest.raises(GradiendError, match=r"white\.csv: no column 'label'; there are 'masked', 'split', 'black'"):
        read_source({"white": wrong, "black": write(table("black"), "b.csv")}, Columns(), "[MASK]")
