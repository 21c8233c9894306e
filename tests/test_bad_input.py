"""Every mistake is one line that says what is wrong, and the page of the documentation says the same."""

import pytest
from bad_input import CASES, PAGE, Change, message

ALL = [(what, change) for cases in CASES.values() for what, change in cases.items()]
ROWS = dict(
    line.strip("| ").split(" | `", 1) for line in PAGE.read_text(encoding="utf-8").splitlines() if "| `" in line
)


@pytest.mark.parametrize(("what", "change"), ALL, ids=[what for what, _ in ALL])
def test_a_mistake_is_named_as_the_documentation_says(what: str, change: Change) -> None:
    assert message(change).replace("|", "¦") == ROWS[what].removesuffix("`")


def test_the_page_lists_these_mistakes_and_no_other() -> None:
    assert list(ROWS) == [what for what, _ in ALL]
