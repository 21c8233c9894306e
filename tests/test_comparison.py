"""Comparison of GRADIENDs, against plain Python on dictionaries of (parameter, flat index)."""

import math

import numpy as np
import pytest
import torch
from comparable import SHAPES, entries, gradiend
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend.comparison import (
    Group,
    cosines,
    direction,
    grouped,
    intersections,
    layer_shares,
    overlaps,
    pairs_in_words,
)
from gradiend.errors import GradiendError
from gradiend.labels import strengthening_factor
from gradiend.layers import layers_and_components
from gradiend.model import GradiendModel

EMBEDDINGS = ["bert.embeddings.word_embeddings.weight"]
MODELS = {
    "one": gradiend(1, 20),
    "two": gradiend(2, 30, source="diff"),
    "whole": gradiend(3, sum(math.prod(shape) for shape in SHAPES.values())),
    "turned": gradiend(4, 25, normalized=False, correlation=-0.5),
    "small": gradiend(5, 9, names=EMBEDDINGS),
    "wide": gradiend(6, 15, latent_dim=3, latent=2),
}
GROUP = Group.of(MODELS, 10)
ONLY = pytest.mark.parametrize("which", ["kept", "top"])


def top(model: GradiendModel, k: int) -> set[tuple[str, int]]:
    """The `k` entries with the largest decoder weights, by sorting."""
    weights = model.decoder.weight.detach().double().abs().sum(1).tolist()
    ranked = sorted(zip(entries(model), weights, strict=True), key=lambda one: -one[1])
    return {entry for entry, _ in ranked[:k]}


def sets(which: str) -> dict[str, set[tuple[str, int]]]:
    return {n: set(entries(m)) if which == "kept" else top(m, GROUP.k) for n, m in MODELS.items()}


def test_k_is_never_more_than_the_smallest_gradiend_keeps() -> None:
    assert GROUP.k == 9
    assert Group.of(MODELS, 4).k == 4


def test_the_joint_space_holds_the_entries_of_all_and_no_others() -> None:
    wanted = set().union(*(set(entries(model)) for model in MODELS.values()))
    assert {(name, int(i)) for name in GROUP.space.shapes for i in GROUP.space.indices(name)} == wanted
    assert GROUP.entries == sum(math.prod(shape) for shape in SHAPES.values())


@ONLY
def test_overlaps_are_those_of_plain_sets(which: str) -> None:
    table = overlaps(getattr(GROUP, which)(), GROUP.entries)
    plain = sets(which)
    assert len(table) == len(MODELS) ** 2
    for line in table.to_dict("records"):
        one, other = plain[line["run"]], plain[line["other"]]
        assert (line["size"], line["other_size"], line["common"]) == (len(one), len(other), len(one & other))
        assert line["overlap"] == pytest.approx(len(one & other) / min(len(one), len(other)))
        assert line["jaccard"] == pytest.approx(len(one & other) / len(one | other))


def test_the_chance_is_the_mean_overlap_of_random_sets() -> None:
    generator = np.random.default_rng(0)
    drawn = [
        overlaps({"a": generator.permutation(50)[:10], "b": generator.permutation(50)[:20]}, 50) for _ in range(300)
    ]
    found = np.mean([table["overlap"][1] for table in drawn])
    assert drawn[0]["chance"][1] == 0.4
    assert found == pytest.approx(0.4, abs=0.03)


@ONLY
def test_intersections_count_every_entry_once_in_just_the_runs_that_have_it(which: str) -> None:
    table, plain = intersections(getattr(GROUP, which)()), sets(which)
    wanted: dict[tuple[str, ...], int] = {}
    for entry in set().union(*plain.values()):
        there = tuple(name for name in MODELS if entry in plain[name])
        wanted[there] = wanted.get(there, 0) + 1
    assert {tuple(runs): count for runs, count in zip(table["runs"], table["count"], strict=True)} == wanted
    assert table["count"].is_monotonic_decreasing


def test_cosines_are_those_of_dense_vectors_over_the_whole_model() -> None:
    table = cosines(GROUP).set_index(["run", "other"])
    order = {
        (name, i): place
        for place, (name, i) in enumerate((n, i) for n, s in SHAPES.items() for i in range(math.prod(s)))
    }

    def dense(model: GradiendModel, *, bias: bool) -> np.ndarray:
        config = model.config
        sign = {"one": 1, "two": 1, "whole": 1, "turned": -1, "small": 1, "wide": 1}[names[id(model)]]
        factor = sign * (1 if config.source == "alternative" else -1)
        weights = model.decoder.weight.detach().double().numpy()[:, config.latent] * factor
        values = weights + model.decoder.bias.detach().double().numpy() * bias
        vector = np.zeros(len(order))
        vector[[order[entry] for entry in entries(model)]] = values
        return vector

    names = {id(model): name for name, model in MODELS.items()}
    for bias, column in ((False, "cosine"), (True, "cosine_update")):
        vectors = {name: dense(model, bias=bias) for name, model in MODELS.items()}
        for one in MODELS:
            for other in MODELS:
                a, b = vectors[one], vectors[other]
                wanted = a @ b / math.sqrt((a @ a) * (b @ b))
                assert table.loc[(one, other), column] == pytest.approx(wanted, abs=1e-6)


def test_the_direction_of_a_linear_decoder_has_no_bias_and_one_of_another_is_its_odd_part() -> None:
    linear, curved = gradiend(7), gradiend(7, activation_decoder="tanh", source="diff")
    assert torch.allclose(direction(linear), linear.decoder.weight[:, 0])
    bias, weight = curved.decoder.bias.detach(), curved.decoder.weight.detach()[:, 0]
    factor = strengthening_factor(0, "diff", "diff")
    wanted = (torch.tanh(factor * weight + bias) - torch.tanh(-factor * weight + bias)) / 2
    assert torch.allclose(direction(curved), wanted)


def test_turning_a_gradiend_that_is_not_normalised_changes_no_cosine() -> None:
    turned = gradiend(4, 25, normalized=False, correlation=0.5)
    with torch.no_grad():
        turned.decoder.weight.neg_()  # what encodes the other way round decodes the other way round
    both = cosines(Group.of({"before": MODELS["turned"], "after": turned}, 5))
    assert both["cosine"].tolist() == pytest.approx([1.0] * 4)


def test_a_direction_of_zeros_has_no_cosine() -> None:
    nothing = gradiend(8)
    with torch.no_grad():
        nothing.decoder.weight.zero_()
    table = cosines(Group.of({"some": MODELS["one"], "nothing": nothing}, 5)).set_index(["run", "other"])["cosine"]
    assert table[("some", "some")] == pytest.approx(1.0)
    assert table.drop(("some", "some")).isna().all()


def test_layer_shares_are_sums_of_squares_and_add_up_to_one() -> None:
    table = layer_shares(GROUP)
    assert table.groupby("run")["share"].sum().tolist() == pytest.approx([1.0] * len(MODELS))
    for line in table.to_dict("records"):
        model = MODELS[line["run"]]
        squares = (model.decoder.weight.detach().double() ** 2).sum(1).tolist()
        inside = [s for (name, _), s in zip(entries(model), squares, strict=True) if name == line["parameter"]]
        assert line["share"] == pytest.approx(sum(inside) / sum(squares))
        assert line["kept"] == len(inside)
    layers = table.drop_duplicates("parameter").set_index("parameter")["layer"]
    assert layers["bert.encoder.layer.1.query.bias"] == 1
    assert layers[EMBEDDINGS].isna().all()


def test_gradiends_are_grouped_by_their_base_model() -> None:
    others = {"x": gradiend(1, base_model="c"), "y": gradiend(2), "z": gradiend(3, base_model="c")}
    assert [list(group) for group in grouped({"w": gradiend(9)} | others)] == [["w", "y"], ["x", "z"]]
    assert others["x"].space.base_model == ("c", "", "d")


def test_parameters_of_unlike_shapes_are_an_error_that_names_them() -> None:
    one, other = gradiend(1), gradiend(2)
    shapes = dict(other.space.shapes) | {"bert.encoder.layer.0.query.bias": (5,)}
    object.__setattr__(other.space, "shapes", shapes)
    with pytest.raises(
        GradiendError, match=r"parameter 'bert.encoder.layer.0.query.bias' is \(4,\) in one space and \(5,\)"
    ):
        Group.of({"one": one, "other": other}, 3)


def test_pairs_in_words_leave_out_a_run_with_itself() -> None:
    found = pairs_in_words(
        overlaps({"a": np.array([1, 2]), "b": np.array([2, 3]), "c": np.array([7, 8])}, 9), "overlap"
    )
    assert found == {"mean": pytest.approx(1 / 6), "lowest": 0.0, "highest": 0.5}
    assert pairs_in_words(overlaps({"a": np.array([1])}, 9), "overlap")["mean"] is None


SETS = st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.integers(0, 12), min_size=1), min_size=2)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SETS)
def test_the_counts_of_the_intersections_give_back_every_size_and_every_overlap(plain: dict[str, set[int]]) -> None:
    table = intersections({name: np.array(sorted(own)) for name, own in plain.items()})
    lines = list(zip(table["runs"], table["count"], strict=True))
    for one in plain:
        assert sum(count for runs, count in lines if one in runs) == len(plain[one])
        for other in plain:
            assert sum(n for runs, n in lines if one in runs and other in runs) == len(plain[one] & plain[other])


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["a.0.b.weight", "a.1.b.bias"], [(0, "b"), (1, "b (bias)")]),
        (["m.embed.weight", "m.layer.2.q.weight"], [(None, "embed"), (2, "q")]),
        (["e.block.0.q.weight", "d.block.0.q.weight"], [(0, "e: q"), (0, "d: q")]),
    ],
)
def test_a_parameters_layer_is_the_first_number_in_its_name(
    names: list[str], wanted: list[tuple[int | None, str]]
) -> None:
    assert layers_and_components(names) == wanted
