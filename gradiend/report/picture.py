"""One figure of a report, in words too."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from gradiend import plots
from gradiend.files import file_name
from gradiend.report.outcomes import Outcome


@dataclass(frozen=True)
class Picture:
    """`figure`, or why it is `missing`; `name` is its file's, `alt` says what it shows to those who cannot see it.

    `data` is the table that it is drawn from; `hint` is what can be done with it on a screen only.
    """

    name: str
    title: str
    alt: str
    caption: str = ""
    figure: Figure | None = None
    data: pd.DataFrame | None = None
    missing: str = ""
    hint: str = ""

    @property
    def wide(self) -> bool:
        """Whether it needs the whole width of the page."""
        return self.figure is not None and self.figure.get_figwidth() > plots.WIDTH


def file_of(outcome: Outcome) -> str:
    """What the files of a choice's figures end in."""
    if outcome.direction == outcome.target_class:
        return outcome.direction
    return f"{outcome.direction}_{file_name(outcome.target_class)}"
