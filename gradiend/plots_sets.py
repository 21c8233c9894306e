"""Which entries several runs share: a Venn diagram for two to six runs, an UpSet plot for more."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Patch, Polygon
from matplotlib.path import Path

from gradiend.plots_style import GRID, INK, LONGEST_RUN, PALETTE, WIDTH, colours, name_ticks, short, styled

MOST_IN_VENN = 6
MOST_COLUMNS = 30  # combinations drawn in an UpSet plot, the largest ones
GRID_STEPS = 500  # of the raster on which the place of a number is found
# centre, width, height, angle of the ellipses, in a square of side 1; of six sets, the corners of triangles
ELLIPSES: dict[int, tuple[tuple[float, float, float, float, float], ...]] = {
    2: ((0.37, 0.5, 0.56, 0.56, 0), (0.63, 0.5, 0.56, 0.56, 0)),
    3: ((0.38, 0.6, 0.54, 0.54, 0), (0.62, 0.6, 0.54, 0.54, 0), (0.5, 0.39, 0.54, 0.54, 0)),
    4: (
        (0.35, 0.4, 0.72, 0.45, 140),
        (0.45, 0.5, 0.72, 0.45, 140),
        (0.544, 0.5, 0.72, 0.45, 40),
        (0.644, 0.4, 0.72, 0.45, 40),
    ),
    5: (
        (0.428, 0.449, 0.87, 0.5, 155),
        (0.469, 0.543, 0.87, 0.5, 82),
        (0.558, 0.523, 0.87, 0.5, 10),
        (0.578, 0.432, 0.87, 0.5, 118),
        (0.489, 0.383, 0.87, 0.5, 46),
    ),
}
TRIANGLES = (
    ((0.637, 0.921), (0.649, 0.274), (0.188, 0.667)),
    ((0.981, 0.769), (0.335, 0.191), (0.393, 0.671)),
    ((0.941, 0.397), (0.292, 0.475), (0.456, 0.747)),
    ((0.662, 0.119), (0.316, 0.548), (0.662, 0.700)),
    ((0.309, 0.081), (0.374, 0.718), (0.681, 0.488)),
    ((0.016, 0.626), (0.726, 0.687), (0.522, 0.327)),
)


@styled
def shared_entries(table: pd.DataFrame, names: Sequence[str], what: str) -> Figure:
    """How many entries are in just which runs; `table` is that of `comparison.intersections`."""
    counts = {
        tuple(name in runs for name in names): int(n) for runs, n in zip(table["runs"], table["count"], strict=True)
    }
    return _venn(counts, names, what) if len(names) <= MOST_IN_VENN else _upset(counts, names, what)


def set_outlines(count: int) -> list[Patch]:
    """The outlines of two to six sets, such that every combination of them has a region."""
    if count == MOST_IN_VENN:
        return [Polygon(corners, closed=True) for corners in TRIANGLES]
    return [Ellipse((x, y), width, height, angle=angle) for x, y, width, height, angle in ELLIPSES[count]]


def regions(outlines: Sequence[Patch]) -> dict[tuple[bool, ...], tuple[float, float]]:
    """The innermost point of every region, by which outlines it lies in.

    Found on a raster: what is eroded last is innermost.
    """
    axis = (np.arange(GRID_STEPS) + 0.5) / GRID_STEPS
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    paths = [outline_path(outline) for outline in outlines]
    inside = np.stack([path.contains_points(points) for path in paths], axis=1)
    codes = (inside @ (1 << np.arange(len(outlines)))).reshape(GRID_STEPS, GRID_STEPS)
    return {
        tuple(bool(code >> i & 1) for i in range(len(outlines))): _innermost(codes == code)
        for code in range(1, 1 << len(outlines))
    }


def outline_path(outline: Patch) -> Path:
    """In the coordinates of the figure's square; ask before it is drawn, for then it is in those of the screen."""
    return outline.get_transform().transform_path(outline.get_path())


def _innermost(region: np.ndarray) -> tuple[float, float]:
    if not region.any():
        raise ValueError("a combination has no region")
    left = np.pad(region, 1)
    while True:
        smaller = left & np.roll(left, 1, 0) & np.roll(left, -1, 0) & np.roll(left, 1, 1) & np.roll(left, -1, 1)
        if not smaller.any():
            break
        left = smaller
    rows, columns = np.nonzero(left[1:-1, 1:-1])
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return (columns[middle] + 0.5) / GRID_STEPS, (rows[middle] + 0.5) / GRID_STEPS


def _venn(counts: dict[tuple[bool, ...], int], names: Sequence[str], what: str) -> Figure:
    side = WIDTH if len(names) < 5 else 1.45 * WIDTH
    figure = Figure(figsize=(side, side + 0.3 + 0.12 * len(names)), layout="constrained")
    axes = figure.subplots()
    outlines = set_outlines(len(names))
    places = regions(outlines)
    corners = np.concatenate([outline_path(outline).vertices for outline in outlines])
    for outline, colour in zip(outlines, colours(names).values(), strict=True):
        outline.set(facecolor=colour, edgecolor=colour, linewidth=1.4)
        outline.set_alpha(0.22)
        axes.add_patch(outline)
    for pattern, (x, y) in places.items():
        if counts.get(pattern, 0):
            size = 8.5 if len(names) < 5 else 6.5
            axes.text(x, y, f"{counts[pattern]:,}", ha="center", va="center", fontsize=size)
    low, high = corners.min(axis=0) - 0.02, corners.max(axis=0) + 0.02
    limits = {"xlim": (low[0], high[0]), "ylim": (low[1], high[1])}
    axes.set(title=f"{what[0].upper()}{what[1:]}: in which runs", aspect="equal", **limits)
    axes.set_axis_off()
    sizes = {name: sum(n for pattern, n in counts.items() if pattern[i]) for i, name in enumerate(names)}
    handles = [Patch(color=colour, alpha=0.5) for colour in colours(names).values()]
    labels = [f"{short(name, LONGEST_RUN)} ({sizes[name]:,})" for name in names]
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _upset(counts: dict[tuple[bool, ...], int], names: Sequence[str], what: str) -> Figure:
    """Columns: combinations, the largest first, as a bar of their size and a dot for every run in them."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], sum(one[0]), one[0]))
    shown = ordered[:MOST_COLUMNS]
    left_out = sum(n for _, n in ordered[MOST_COLUMNS:])
    size = (max(WIDTH, 2.4 + 0.24 * len(shown)), 2.6 + 0.24 * len(names))
    figure = Figure(figsize=size, layout="constrained")
    bars, dots = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 0.24 * len(names) + 0.2))
    bars.bar(range(len(shown)), [n for _, n in shown], color=PALETTE[0])
    for place, (_, n) in enumerate(shown):
        bars.text(place, n, f" {n:,}", rotation=90, ha="center", va="bottom", fontsize=7)
    bars.margins(y=0.25)
    bars.grid(axis="x", visible=False)
    rest = f"\n({len(ordered) - len(shown)} more, of {left_out:,} in all)" if left_out else ""
    bars.set_title(f"{what[0].upper()}{what[1:]}: how many are in just these runs{rest}")
    _dots(dots, [pattern for pattern, _ in shown], counts, names)
    return figure


def _dots(
    axes: Axes, patterns: Sequence[tuple[bool, ...]], counts: dict[tuple[bool, ...], int], names: Sequence[str]
) -> None:
    for place, pattern in enumerate(patterns):
        there = [i for i, inside in enumerate(pattern) if inside]
        axes.plot([place] * len(names), range(len(names)), "o", color=GRID, markersize=5)
        axes.plot([place] * len(there), there, "o-", color=INK, markersize=5, linewidth=1.4)
    sizes = [sum(n for pattern, n in counts.items() if pattern[i]) for i in range(len(names))]
    name_ticks(axes.yaxis, range(len(names)), names, LONGEST_RUN, beside=[f" ({n:,})" for n in sizes])
    axes.set(ylim=(len(names) - 0.5, -0.5), xticks=[])
    axes.tick_params(length=0, labelsize=8.5)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
