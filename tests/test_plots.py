"""Figures: every table that can occur gives one, always the same, with its labels as text."""

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from subprocess import run
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from gradiend import plots
from gradiend.plots_style import digits, legend

NOTHING = float("nan")
CLASSES = ("female", "male")


def curves(**columns: float) -> pd.DataFrame:
    rows = [{"seed": seed, "step": step, "loss": 1e-10 / (1 + step), "correlation": step / 40 - seed / 10}
            for seed in (3, 4, 5) for step in (0, 10, 20, 30)]  # fmt: skip
    table = pd.DataFrame(rows)
    table.loc[table["step"] == 0, "loss"] = NOTHING
    return table.assign(**columns)


def means(*names: str) -> pd.DataFrame:
    rows = [
        {"seed": seed, "step": step, "name": name, "mean": step / 40}
        for seed in (3, 4, 5)
        for step in (0, 10, 20)
        for name in names
    ]
    return pd.DataFrame(rows, columns=["seed", "step", "name", "mean"])


def candidates(**columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "kept": [0.4, 0.985, 0.992, 1.0],
            "value": [0.9, 0.5, 0.3, 0.1],
            "learning_rate": [10.0, 1.0, 0.5, 0.01],
            "feature_factor": 1.0,
            "passes": [False, False, True, True],
            "chosen": [False, False, True, False],
        }
    )
    return table.assign(**columns)


def values(sizes: dict[str, int], spread: float = 0.3) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    parts = [pd.DataFrame({"name": n, "encoded": np.tanh(generator.normal(0, spread, k))}) for n, k in sizes.items()]
    return pd.concat(parts, ignore_index=True)


def shifts(*names: str) -> pd.DataFrame:
    rows = [{"scored": name, "on": on, "before": 0.1, "after": 0.7} for on in names for name in CLASSES]
    return pd.DataFrame(rows)


def shares(rows: int = 3, columns: int = 4) -> pd.DataFrame:
    table = pd.DataFrame(
        np.linspace(0, 1, rows * columns).reshape(rows, columns), index=[f"part {n}" for n in range(rows)]
    )
    table.iloc[0, 0] = NOTHING
    return table


def convergence(**more: float) -> Figure:
    return plots.convergence(curves(**more), means(*CLASSES), classes=CLASSES, selected=4, best_step=20)


def grid(**more: Any) -> Figure:
    return plots.decoder_grid(candidates(**more), base=0.1, threshold=0.99, what="P(female) on male, mean")


FIGURES: dict[str, Callable[[], Figure]] = {
    "convergence": convergence,
    "convergence without any value": lambda: convergence(loss=NOTHING, correlation=NOTHING),
    "convergence with a threshold": lambda: plots.convergence(
        curves(), means(*CLASSES), classes=CLASSES, selected=4, thresholds={"loss": 1e-11}
    ),
    "convergence without means": lambda: plots.convergence(curves(), means(), classes=(), selected=3),
    "convergence at a single step": lambda: plots.convergence(
        curves().query("step == 0"), means(*CLASSES), classes=CLASSES, selected=3
    ),
    "encoded values": lambda: plots.encoded_values(values({"female": 900, "male": 30}), classes=CLASSES),
    "one encoded value": lambda: plots.encoded_values(values({"female": 1}), classes=CLASSES[:1]),
    "constant encoded values": lambda: plots.encoded_values(values({"female": 40, "male": 9}, 0.0), classes=CLASSES),
    "a class without encoded values": lambda: plots.encoded_values(values({"female": 40}), classes=CLASSES),
    "encoded values beyond 1": lambda: plots.encoded_values(
        values({"female": 5}).assign(encoded=7.0), classes=CLASSES[:1]
    ),
    "decoder grid": grid,
    "decoder grid where nothing passes": lambda: grid(passes=False, chosen=False),
    "decoder grid of one value": lambda: grid(value=0.1, kept=1.0),
    "decoder grid without threshold and base": lambda: plots.decoder_grid(
        candidates(), base=None, threshold=None, what="P(female) on male"
    ),
    "probability shift": lambda: plots.probability_shift(shifts(*CLASSES)),
    "kept entries": lambda: plots.kept_entries(shares()),
    "kept entries of many layers": lambda: plots.kept_entries(shares(9, 80)),
    "update shares": lambda: plots.update_shares(shares()),
    "seeds": lambda: plots.seeds(scores(), metric="correlation", threshold=0.5, selected=1),
    "seeds by loss": lambda: plots.seeds(
        scores().assign(baseline=float("nan")), metric="loss", threshold=None, selected=0
    ),
    "all entries kept": lambda: plots.kept_entries(shares() * 0 + 1),
    "no entry kept": lambda: plots.kept_entries(shares() * 0),
}


def said(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(plots.svg(figure, "a name"))
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]


def scores() -> pd.DataFrame:
    nan = float("nan")
    lines = [(0, 0.2, 0.1, 0.3, 0.9, False), (1, 0.98, 0.97, 0.99, 0.91, True), (2, nan, nan, nan, nan, False)]
    return pd.DataFrame(lines, columns=["seed", "value", "low", "high", "baseline", "converged"])


def texts(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(plots.svg(figure, "a name"))
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES.keys())
@pytest.mark.filterwarnings("error")
def test_every_table_gives_a_figure_without_a_warning(make: Callable[[], Figure]) -> None:
    shown = texts(make())
    assert shown and not any("nan" in text.lower() for text in shown)


def test_the_same_table_gives_the_same_bytes() -> None:
    assert plots.svg(grid(), "grid") == plots.svg(grid(), "grid")


def test_a_figure_carries_no_date_and_no_program() -> None:
    text = plots.svg(grid(), "grid")
    assert "dc:date" not in text and "Matplotlib" not in text


def test_the_users_own_style_changes_no_figure() -> None:
    before = plots.svg(grid(), "grid")
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "black", "svg.hashsalt": "mine"}):
        assert plots.svg(grid(), "grid") == before


def test_a_figure_leaves_the_users_style_as_it_was() -> None:
    before = dict(mpl.rcParams)
    plots.svg(grid(), "grid")
    assert dict(mpl.rcParams) == before


def test_nothing_imports_pyplot() -> None:
    code = "import sys, gradiend.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_are_text_in_the_figure_neither_markup_nor_tex() -> None:
    names = ["<script>alert(1)</script>", "costs $x_1$ & more"]
    shown = texts(plots.encoded_values(values(dict.fromkeys(names, 5)), classes=names))
    assert "<script>alert(1)</script>" in shown and "costs $x_1$ & more" in shown
    assert "<script" not in plots.svg(plots.encoded_values(values(dict.fromkeys(names, 5)), classes=names), "a")


def test_long_names_are_cut_in_the_middle() -> None:
    name = "a very long name of a class that does not fit"
    shown = texts(plots.encoded_values(values({name: 5}), classes=[name]))
    assert any(text.startswith("a very long name") and text.endswith("not fit") and len(text) < 27 for text in shown)


def test_the_numbers_of_rows_stand_beside_the_classes() -> None:
    shown = texts(plots.encoded_values(values({"female": 1200, "male": 30}), classes=CLASSES))
    assert "n = 1,200" in shown and "n = 30" in shown


def test_of_many_points_the_extremes_are_drawn() -> None:
    many = values({"female": 5000})
    drawn = np.asarray(plots.encoded_values(many, classes=CLASSES[:1]).axes[0].collections[0].get_offsets())[:, 0]
    assert len(drawn) == plots.MOST_POINTS
    assert (drawn.min(), drawn.max()) == (many["encoded"].min(), many["encoded"].max())


def test_many_groups_have_fewer_points_each_so_that_the_file_stays_small() -> None:
    names = [f"class {n}" for n in range(40)]
    figure = plots.encoded_values(values(dict.fromkeys(names, 500)).assign(text="t" * 160), classes=names)
    assert sum(len(drawn.get_offsets()) for drawn in figure.axes[0].collections) <= 2_000
    assert len(plots.svg(figure, "many").encode()) < 1_000_000


def test_every_point_says_its_own_text() -> None:
    table = values({"female": 40}).assign(text=[f"text <{n}> & more" for n in range(40)])
    titles = said(plots.encoded_values(table, classes=["female"]))
    assert titles == table.sort_values("encoded")["text"].tolist()
    assert any(text.startswith("learning rate 0.5: ") for text in said(grid()))


def test_every_cell_says_its_parameter_layer_and_share() -> None:
    table = shares(3, 30)
    assert len(said(plots.update_shares(table))) == int(table.notna().sum().sum())
    (row, column), *_ = np.argwhere(table.notna().to_numpy())
    assert said(plots.kept_entries(table))[0].startswith(f"{table.index[row]}, layer {table.columns[column]}: ")


def test_a_threshold_is_not_rounded_to_another() -> None:
    assert [digits(value) for value in (0.9999, -1.0, 99.95, 1e-10, -0.0)] == [
        "0.9999",
        "\N{MINUS SIGN}1",
        "99.95",
        "1e\N{MINUS SIGN}10",
        "0",
    ]


def test_a_component_whose_name_is_cut_says_it_whole_when_pointed_at() -> None:
    component = "block.mixer.in_proj.a_part_with_a_very_long_name (bias)"
    text = plots.svg(plots.update_shares(pd.DataFrame([[1.0]], index=[component], columns=[0])), "long")
    assert f"<title>{component}</title>" in text and f">{component}</text>" not in text


def test_seeds_that_have_not_converged_differ_in_shape_and_are_named() -> None:
    shown = texts(plots.seeds(scores(), metric="correlation", threshold=0.5, selected=1))
    assert {"seed 1 (selected)", "converged", "not converged", "no correlation", "threshold 0.5"} <= set(shown)


def test_seeds_are_told_apart_and_the_selected_one_is_named() -> None:
    shown = texts(convergence())
    assert "seed 4 (selected)" in shown and "other seeds: 3, 5" in shown and "its best step" in shown


def test_the_threshold_and_the_chosen_candidate_are_marked() -> None:
    shown = texts(grid())
    assert "threshold 99 %" in shown and "chosen: learning rate 0.5" in shown and "base model" in shown


def test_colours_are_distinct_for_eight_names() -> None:
    assert len(set(plots.colours([f"class {n}" for n in range(8)]).values())) == 8


def test_long_class_names_do_not_run_into_each_other_beside_the_candidates() -> None:
    figure = plots.decoder_grid(candidates(), base=0.1, threshold=0.99, what="P(masc_nominative) on fem_genitive, mean")
    figure.draw_without_rendering()
    (label,) = [text for text in figure.findobj(Text) if text.get_text().startswith("P(masc_nominative)")]
    box = label.get_window_extent()
    assert box.y0 >= 0 and box.y1 <= figure.bbox.height


def test_what_several_parts_of_a_figure_have_is_named_once_in_its_legend() -> None:
    figure = Figure()
    for axes in (parts := figure.subplots(2)):
        axes.plot([0, 1], label="seed 1")
    legend(figure, *parts)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seed 1"]
