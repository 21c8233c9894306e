"""The style of all figures, and what several of them need.

No pyplot. The style holds inside these functions only: neither the user's matplotlib settings nor the reader's
screen change a figure, so the same table gives the same bytes. Colours are Okabe and Ito's, told apart by
colour-blind readers; what matters differs in shape too. Class names are text, never TeX.
"""

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

WIDTH = 4.6  # inches: text stays readable where the figure is scaled down to a telephone
MOST_POINTS = 300  # drawn of a class
LONGEST = 26  # characters of a label
LONGEST_RUN = 60  # of a run's: its name holds settings, and two runs must not get the same label
INK, PALE, GRID = "#222222", "#767676", "#dddddd"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A", "#5E3C99")
STYLE = {
    "axes.edgecolor": PALE,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
NO_DATES = dict.fromkeys(("Date", "Creator", "Format", "Type"))
SAYS = "says:"  # how a point carries its text through matplotlib, which can give it a link only
NAMESPACES = {"": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}

styled = style.context(["default", STYLE])


def svg(figure: Figure, name: str) -> str:
    """The figure as SVG text, the same bytes for the same figure and name; points say their text when pointed at."""
    text = io.StringIO()
    with style.context(["default", STYLE, {"svg.hashsalt": name}]):
        figure.savefig(text, format="svg", metadata=NO_DATES)
    return _with_titles(text.getvalue())


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, by its place in the sequence; they repeat after the eighth."""
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(names)}


def short(name: str, longest: int = LONGEST) -> str:
    """The name, cut in its middle where it is longer than a label may be."""
    return name if len(name) <= longest else f"{name[: longest - 8]}…{name[-7:]}"


def decimals(value: float, digits: int) -> str:
    """So many decimals, with a true minus sign, and never a negative zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def digits(value: float, most: int = 6) -> str:
    """So many significant digits at most, with a true minus sign."""
    return f"{value + 0.0:.{most}g}".replace("-", "\N{MINUS SIGN}")


def name_ticks(
    axis: Axis, places: ArrayLike, names: Sequence[Any], longest: int = LONGEST, beside: Sequence[str] = ()
) -> None:
    """Ticks with names, and what stands `beside` each; names that are too long are cut, and said when pointed at."""
    whole = [str(name) for name in names]
    added = beside or [""] * len(whole)
    axis.set_ticks(np.asarray(places), [short(name, longest) + more for name, more in zip(whole, added, strict=True)])
    for label, name in zip(axis.get_ticklabels(), whole, strict=True):
        if short(name, longest) != name:
            label.set_url(f"{SAYS}{name}")


def legend(figure: Figure, *parts: Axes) -> None:
    """One legend for the figure, below it; what several parts have is named once."""
    found: dict[str, Artist] = {}
    for axes in parts:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=2)


def points(axes: Axes, x: np.ndarray, y: np.ndarray, texts: Sequence[str], **look: Any) -> None:
    """Points, each of which says its text."""
    drawn = axes.scatter(x, y, **look)
    drawn.set_urls([f"{SAYS}{text}" for text in texts])


def _with_titles(text: str) -> str:
    """The links of `points` as titles, which every viewer of an SVG shows."""
    root = ElementTree.fromstring(text)
    for prefix, namespace in NAMESPACES.items():
        ElementTree.register_namespace(prefix, namespace)
    for element in list(root.iter(f"{{{NAMESPACES['']}}}a")):
        said = element.attrib.pop(f"{{{NAMESPACES['xlink']}}}href", "")
        element.tag = f"{{{NAMESPACES['']}}}g"
        element.attrib.clear()
        element.set("class", "point")
        title = ElementTree.Element(f"{{{NAMESPACES['']}}}title")
        title.text = said.removeprefix(SAYS)
        element.insert(0, title)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"
