"""Maps of a comparison: the numbers that they write are those of the tables, in the right cells."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from comparable import gradiend
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from gradiend.comparison import Group, cosines, layer_shares, overlaps
from gradiend.plots_comparison import (
    MOST_WRITTEN,
    SHARES,
    SIGNED,
    cosine_map,
    cross_encoding_map,
    layer_map,
    overlap_map,
    seed_pairs,
)
from gradiend.plots_style import LONGEST_RUN, svg
from gradiend.report.inline import COLOURS

NAMES = ["one", "two", "three"]
GROUP = Group.of({name: gradiend(i, 20 + i) for i, name in enumerate(NAMES)}, 10)


def written(axes: Axes) -> list[list[str]]:
    """The texts in the cells, row by row; the first row is at the top."""
    cells = {tuple(np.floor(text.get_position()).astype(int)): text.get_text() for text in axes.texts}
    columns, rows = (1 + max(cell[i] for cell in cells) for i in (0, 1))
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    return [[cells[column, row] for column in range(columns)] for row in range(rows)]


def shown(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}")


def test_every_pair_has_its_number_in_its_cell() -> None:
    table = cosines(GROUP)
    (axes,) = cosine_map(table, NAMES).axes
    values = table.set_index(["run", "other"])["cosine"]
    assert written(axes) == [[shown(values[one, other]) for other in NAMES] for one in NAMES]


def test_encoders_go_down_and_runs_across_and_what_is_missing_is_a_dash() -> None:
    lines = [
        (one, other, (i - j) / 4 if i != j else 0.999) for i, one in enumerate(NAMES) for j, other in enumerate(NAMES)
    ]
    table = pd.DataFrame(lines, columns=["encoder", "run", "correlation"])
    table.loc[table["encoder"] == "two", "correlation"] = np.nan
    (axes,) = cross_encoding_map(table, NAMES).axes
    minus = "\N{MINUS SIGN}"
    assert written(axes) == [[">.99", f"{minus}.25", f"{minus}.50"], ["\N{EN DASH}"] * 3, [".50", ".25", ">.99"]]


def test_the_numbers_and_the_palest_cells_keep_their_colours_on_a_dark_page() -> None:
    (axes,) = cosine_map(cosines(GROUP), NAMES).axes
    colours = {to_hex(str(text.get_color())) for text in axes.texts} | {to_hex(SHARES(0.0)), to_hex(SIGNED(0.5))}
    assert len(colours) > 2 and colours.isdisjoint({colour.lower() for colour in COLOURS})


def test_a_cell_that_is_rounded_to_zero_has_no_sign() -> None:
    values = [[1.0, -0.004, -0.0], [-0.004, 1.0, -0.005001], [-0.0, -0.005001, 1.0]]
    pairs = [(one, other, values[i][j]) for i, one in enumerate(NAMES) for j, other in enumerate(NAMES)]
    (axes,) = cosine_map(pd.DataFrame(pairs, columns=["run", "other", "cosine"]), NAMES).axes
    assert written(axes)[0] == ["1.00", ".00", ".00"] and written(axes)[1][2] == "\N{MINUS SIGN}.01"


def test_a_run_whose_name_is_cut_says_it_whole_when_pointed_at() -> None:
    names = ["one", "x" * (LONGEST_RUN + 1)]
    pairs = [(one, other, 0.5) for one in names for other in names]
    root = ElementTree.fromstring(svg(cosine_map(pd.DataFrame(pairs, columns=["run", "other", "cosine"]), names), "c"))
    assert [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")] == [names[1]] * 2


def test_top_and_kept_entries_have_a_map_each() -> None:
    sets = {"top": GROUP.top(), "kept": GROUP.kept()}
    table = pd.concat([overlaps(own, GROUP.entries).assign(entries=name) for name, own in sets.items()])
    for axes, entries in zip(overlap_map(table, NAMES, GROUP.k).axes, ("top", "kept"), strict=True):
        values = table[table["entries"] == entries].set_index(["run", "other"])["overlap"]
        assert written(axes) == [[shown(values[one, other]) for other in NAMES] for one in NAMES]


def test_layers_are_added_up_over_components_and_components_over_layers() -> None:
    table = layer_shares(GROUP)
    layers, components = layer_map(table, NAMES).axes
    assert [tick.get_text() for tick in layers.get_xticklabels()] == ["outside", "0", "1"]
    inside = table[table["layer"] == 1].groupby("run")["share"].sum()
    assert [row[2] for row in written(layers)] == [f"{100 * inside[name]:.0f}" for name in NAMES]
    query = table[table["component"] == "query"].groupby("run")["share"].sum()
    names = [tick.get_text() for tick in components.get_yticklabels()]
    assert written(components)[names.index("query")] == [f"{100 * query[name]:.0f}" for name in NAMES]


def test_of_many_runs_no_numbers_are_written() -> None:
    names = [f"run {i}" for i in range(MOST_WRITTEN + 1)]
    table = pd.DataFrame([(one, other, 0.5) for one in names for other in names], columns=["run", "other", "cosine"])
    (axes,) = cosine_map(table, names).axes
    assert not axes.texts


def test_a_map_of_many_runs_is_one_picture_and_no_path_for_each_cell() -> None:
    names = [f"run {i}" for i in range(60)]
    pairs = [(run, other) for run in names for other in names]
    table = pd.DataFrame(pairs, columns=["run", "other"]).assign(cosine=0.5)
    many, few = (svg(cosine_map(table, own), "cosine") for own in (names, names[:20]))
    assert many.count("<image") == 1 and "<image" not in few
    assert many.count("<path") < 200 < 400 <= few.count("<path")
    assert many == svg(cosine_map(table, names), "cosine")


def test_seeds_are_drawn_pair_by_pair_or_the_reason_is_written() -> None:
    pairs = [{"seed": 3, "other": 5, "overlap": 0.25, "cosine": -0.5}]
    top, cosine = seed_pairs({"pairs": pairs, "converged": [3, 5], "k": 10}).axes
    assert written(top) == [["1.00", ".25"], [".25", "1.00"]]
    assert written(cosine)[0][1] == "\N{MINUS SIGN}.50"
    (text,) = seed_pairs({"pairs": [], "converged": [], "reason": "0 of 2 tried seeds converged"}).texts
    assert text.get_text() == "0 of 2 tried seeds converged"


@pytest.mark.parametrize("count", [2, 12])
def test_a_map_is_as_large_as_its_runs_need(count: int) -> None:
    names = [f"masc_nom-fem_nom-{i}" for i in range(count)]
    table = pd.DataFrame([(one, other, 0.5) for one in names for other in names], columns=["run", "other", "cosine"])
    figure = cosine_map(table, names)
    assert figure.get_figwidth() >= 0.5 * count


def test_runs_that_differ_in_the_middle_of_their_names_keep_different_labels() -> None:
    names = [f"latent_dim=1-max_steps={steps}-source=factual" for steps in (10, 40)]
    table = pd.DataFrame([{"run": one, "other": other, "cosine": 0.5} for one in names for other in names])
    (axes,) = cosine_map(table, names).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == names
