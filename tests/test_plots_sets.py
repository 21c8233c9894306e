"""Venn diagrams and UpSet plots: every region is there, and every number is in the region that it counts."""

import itertools

import pandas as pd
import pytest

from gradiend.plots import svg
from gradiend.plots_sets import MOST_COLUMNS, outline_path, regions, set_outlines, shared_entries


def table(names: list[str]) -> pd.DataFrame:
    """A number of its own for every combination of the names."""
    patterns = [p for p in itertools.product((True, False), repeat=len(names)) if any(p)]
    runs = [[name for name, there in zip(names, pattern, strict=True) if there] for pattern in patterns]
    return pd.DataFrame({"runs": runs, "count": [1000 + i for i in range(len(runs))]})


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_every_combination_has_a_region_and_its_place_is_inside_just_its_outlines(count: int) -> None:
    outlines = set_outlines(count)
    found = regions(outlines)
    assert len(found) == 2**count - 1
    paths = [outline_path(outline) for outline in set_outlines(count)]
    for pattern, place in found.items():
        assert tuple(bool(path.contains_point(place)) for path in paths) == pattern


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_venn_diagram_writes_every_count_but_zero_where_it_belongs(count: int) -> None:
    names = [f"run {i}" for i in range(count)]
    counts = table(names)
    counts.loc[0, "count"] = 0
    (axes,) = shared_entries(counts, names, "kept entries").axes
    paths = [outline_path(outline) for outline in set_outlines(count)]
    written = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(written) == {f"{n:,}" for n in counts["count"] if n}
    for runs, n in zip(counts["runs"], counts["count"], strict=True):
        if n:
            inside = [name for name, path in zip(names, paths, strict=True) if path.contains_point(written[f"{n:,}"])]
            assert inside == runs


def test_more_than_six_runs_are_an_upset_plot_of_the_largest_combinations() -> None:
    names = [f"run {i}" for i in range(7)]
    bars, dots = shared_entries(table(names), names, "kept entries").axes
    assert len(bars.patches) == MOST_COLUMNS
    heights = [bar.get_height() for bar in bars.patches]
    assert heights == sorted(heights, reverse=True) and heights[0] == 1000 + 2**7 - 2
    first = dots.lines[1].get_ydata()
    assert list(first) == [6]  # the combination with the largest count is that of the last run alone
    rest = sum(sorted(table(names)["count"])[: 2**7 - 1 - MOST_COLUMNS])
    assert f"({2**7 - 1 - MOST_COLUMNS} more, of {rest:,} in all)" in bars.get_title(loc="left")


def test_the_same_table_gives_the_same_bytes() -> None:
    one, other = (svg(shared_entries(table(["a", "b"]), ["a", "b"], "kept entries"), "x") for _ in range(2))
    assert one == other
