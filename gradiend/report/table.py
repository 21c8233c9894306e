"""A table of a report: strings only, ready to be shown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A caption, what the columns are, and the cells; the first `texts` columns are text, the others numbers.

    `note` stands below it; where there are no rows it stands in the table's place. One that is not `printed` is on
    the screen only.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    texts: int = 1
    printed: bool = True
