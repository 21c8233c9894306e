"""Laws of the parameter space."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gradiend.errors import GradiendError
from gradiend.space import ParameterSpace, Shape, select_parameters, union

SHAPES = st.dictionaries(
    st.sampled_from(["b.weight", "a.weight", "layer.0.bias", "scale"]),
    st.lists(st.integers(1, 4), max_size=3).map(tuple),
    min_size=1,
)
NAMES = ["embed.weight", "layer.0.key.weight", "layer.0.key.bias", "layer.10.key.weight", "layerx0.key.weight"]
few = settings(max_examples=60, deadline=None)


def whole(shapes: dict[str, Shape]) -> ParameterSpace:
    return ParameterSpace.of({name: torch.empty(shape) for name, shape in shapes.items()}, {"base_model": "b"})


def numbered(space: ParameterSpace) -> dict[str, Tensor]:
    """Tensors whose entries are all different."""
    return {
        name: torch.arange(shape.numel()).view(shape) + 1000.0 * i
        for i, (name, shape) in enumerate((n, torch.Size(s)) for n, s in space.shapes.items())
    }


@st.composite
def positions(draw: st.DrawFn, size: int) -> Tensor:
    """Sorted, distinct, from none to all."""
    chosen = draw(st.one_of(st.just(set(range(size))), st.sets(st.integers(0, max(0, size - 1)), max_size=size)))
    return torch.tensor(sorted(i for i in chosen if i < size), dtype=torch.int64)


@st.composite
def spaces(draw: st.DrawFn) -> ParameterSpace:
    full = whole(draw(SHAPES))
    return full.select(draw(positions(full.input_dim)))


@few
@given(st.data(), spaces())
def test_select_then_gather_equals_gather_then_index(data: st.DataObject, space: ParameterSpace) -> None:
    chosen, tensors = data.draw(positions(space.input_dim)), numbered(space)
    smaller = space.select(chosen)
    assert torch.equal(smaller.gather(tensors), space.gather(tensors)[chosen])
    assert smaller.input_dim == len(chosen)


@few
@given(st.data(), spaces())
def test_select_of_select_is_one_select(data: st.DataObject, space: ParameterSpace) -> None:
    first = data.draw(positions(space.input_dim))
    second = data.draw(positions(len(first)))
    assert space.select(first).select(second).digest == space.select(first[second]).digest


@few
@given(st.data(), spaces())
def test_positions_in_a_larger_space_are_those_it_was_selected_at(data: st.DataObject, space: ParameterSpace) -> None:
    chosen = data.draw(positions(space.input_dim))
    assert torch.equal(space.select(chosen).positions_in(space), chosen)


@few
@given(spaces())
def test_write_then_gather_gives_the_vector_and_leaves_the_rest(space: ParameterSpace) -> None:
    tensors, vector = numbered(space), -1.0 - torch.arange(space.input_dim)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    space.write_(tensors, vector)
    assert torch.equal(space.gather(tensors), vector)
    for name, tensor in tensors.items():
        changed = (tensor != before[name]).flatten().nonzero().flatten()
        assert torch.equal(changed, space.indices(name))


@few
@given(spaces())
def test_slices_and_indices_say_where_every_entry_lies(space: ParameterSpace) -> None:
    tensors = numbered(space)
    vector = space.gather(tensors)
    for name, where in space.slices.items():
        assert torch.equal(vector[where], tensors[name].flatten()[space.indices(name)])
    assert sum(space.sizes.values()) == space.input_dim == len(vector)


@few
@given(spaces())
def test_saving_and_loading_gives_the_same_space(
    tmp_path_factory: pytest.TempPathFactory, space: ParameterSpace
) -> None:
    path = tmp_path_factory.mktemp("space") / "space.safetensors"
    space.save(path)
    loaded = ParameterSpace.load(path)
    assert (list(loaded.shapes), loaded.digest, loaded.about) == (list(space.shapes), space.digest, space.about)
    assert torch.equal(loaded.gather(numbered(space)), space.gather(numbered(space)))


def test_a_space_file_holds_sorted_indices_for_every_parameter(tmp_path: Path) -> None:
    whole({"b": (2, 2), "a": (3,)}).select(torch.tensor([1, 3, 6])).save(tmp_path / "space.safetensors")
    with safe_open(tmp_path / "space.safetensors", framework="pt") as file:
        assert {name: file.get_tensor(name).tolist() for name in ("b", "a")} == {"b": [1, 3], "a": [2]}
        assert json.loads(file.metadata()["space"])["shapes"] == [["b", [2, 2]], ["a", [3]]]


def test_a_space_is_always_written_as_the_same_bytes(tmp_path: Path) -> None:
    for number in range(8):
        whole({"a": (2, 2), "b": (3,)}).save(tmp_path / str(number))
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize(
    "change", ["entry", "shape", "digest", "no digest", "no about", "other file", "cut", "nothing"]
)
def test_a_file_that_is_not_as_it_was_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "space.safetensors"
    whole({"a": (2, 2), "b": (3,)}).select(torch.tensor([1, 3, 6])).save(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in ("a", "b")}
        content = json.loads(file.metadata()["space"])
    if change == "entry":
        tensors["a"] = torch.tensor([1, 2])
    elif change == "shape":
        content["shapes"][0][1] = [1, 4]
    elif change == "digest":
        content["digest"] = "0" * 64
    elif change.startswith("no "):
        del content[change.removeprefix("no ")]
    save_file(tensors, path, {"space": json.dumps(content)} if change != "other file" else {})
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    elif change == "nothing":
        path.unlink()
    with pytest.raises(GradiendError, match=r"space\.safetensors: .*"):
        ParameterSpace.load(path)


def test_the_digest_tells_names_shapes_order_and_entries_apart() -> None:
    spaces = [
        whole({"a": (2, 2), "b": (3,)}),
        whole({"b": (3,), "a": (2, 2)}),
        whole({"a": (4,), "b": (3,)}),
        whole({"a": (2, 2), "c": (3,)}),
        whole({"a": (2, 2), "b": (3,)}).select(torch.arange(6)),
        whole({"a": (2, 2), "b": (3,)}).select(torch.arange(1, 7)),
    ]
    assert len({space.digest for space in spaces}) == len(spaces)


def test_all_entries_selected_are_the_whole_space() -> None:
    full = whole({"a": (2, 2), "b": (3,)})
    assert full.select(torch.arange(7)).digest == full.digest
    assert ParameterSpace(full.shapes, {"b": torch.arange(3), "a": None}).digest == full.digest
    part = full.select(torch.tensor([0, 1, 4, 5, 6]))
    assert part.kept["b"] is None
    assert part.select(torch.tensor([0])).kept["b"] is not None


def test_entries_that_are_not_in_the_larger_space_are_named() -> None:
    full = whole({"a": (2, 2), "b": (3,)})
    with pytest.raises(GradiendError, match="'b': not all kept entries"):
        full.select(torch.tensor([5, 6])).positions_in(full.select(torch.tensor([0, 4, 6])))
    with pytest.raises(GradiendError, match="'b': not all kept entries"):
        full.select(torch.tensor([6])).positions_in(full.select(torch.tensor([0])))
    with pytest.raises(GradiendError, match=r"'a' \(2, 2\) is not in the larger space"):
        full.positions_in(whole({"a": (4,), "b": (3,)}))
    assert full.select(torch.tensor([0, 3])).positions_in(whole({"b": (9,), "a": (2, 2)})).tolist() == [9, 12]


def test_outside_is_every_entry_of_no_named_parameter() -> None:
    space = whole({"a": (2, 2), "b": (3,)}).select(torch.tensor([1, 4, 6]))
    assert space.outside(["a", "unknown"]).tolist() == [False, True, True]


def test_writing_to_tied_weights_keeps_them_tied() -> None:
    first, second = nn.Linear(3, 4), nn.Linear(3, 4)
    second.weight = first.weight
    space = ParameterSpace.of({"first": first.weight}).select(torch.tensor([2, 5]))
    space.write_({"first": first.weight}, torch.tensor([7.0, 8.0]))
    assert second.weight is first.weight
    assert second.weight.flatten()[[2, 5]].tolist() == [7.0, 8.0]


def test_a_tensor_that_cannot_be_written_in_place_is_refused() -> None:
    tensor = torch.zeros(2, 3).T
    with pytest.raises(RuntimeError):
        ParameterSpace.of({"a": tensor}).write_({"a": tensor}, torch.ones(6))


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (None, NAMES),
        (["layer.0.key.weight"], NAMES[1:2]),
        (["layer.*.weight"], [NAMES[1], NAMES[3]]),
        (["*key*"], NAMES[1:]),
        (["*.bias", "embed*"], [NAMES[0], NAMES[2]]),
        (["*"], NAMES),
        (["layer.0*", "*0.key.weight"], NAMES[1:]),
    ],
)
def test_a_star_is_any_substring_and_a_dot_is_a_dot(patterns: list[str] | None, chosen: list[str]) -> None:
    assert select_parameters(NAMES, patterns) == chosen


@pytest.mark.parametrize("pattern", ["layer.0.kez.weight", "key", "LAYER.0.key.weight", "layer.[0].key.weight", ""])
def test_a_pattern_that_matches_nothing_is_an_error_with_names_that_exist(pattern: str) -> None:
    with pytest.raises(GradiendError) as error:
        select_parameters(NAMES, ["*", pattern])
    assert str(error.value).startswith(f"params: '{pattern}' matches no backbone parameter")
    assert any(name in str(error.value) for name in NAMES)


def test_the_nearest_name_is_given() -> None:
    with pytest.raises(GradiendError, match=r"did you mean 'layer\.0\.key\.bias'\?"):
        select_parameters(NAMES, ["layer.0.key.bais"])


@few
@given(st.data())
def test_a_union_holds_the_entries_of_both_and_no_others(data: st.DataObject) -> None:
    shapes = data.draw(SHAPES)
    everything = whole(shapes)
    one, other = (everything.select(data.draw(positions(everything.input_dim))) for _ in range(2))
    both = one.union(other)
    wanted = sorted({*one.positions_in(everything).tolist(), *other.positions_in(everything).tolist()})
    assert both.positions_in(everything).tolist() == wanted
    assert list(both.shapes) == list(shapes)
    assert (
        union([one, other, one]).digest
        == both.digest
        == everything.select(torch.tensor(wanted, dtype=torch.int64)).digest
    )


def test_a_union_has_the_parameters_of_both_and_says_what_both_say() -> None:
    one = ParameterSpace({"a": (2,)}, {"a": None}, {"base_model": "b", "revision": "x"})
    other = ParameterSpace({"c": (3,)}, {"c": torch.tensor([1])}, {"base_model": "b", "revision": "y"})
    both = one.union(other)
    assert both.sizes == {"a": 2, "c": 1}
    assert both.about == {"base_model": "b"}
    with pytest.raises(GradiendError, match=r"parameter 'a' is \(2,\) in one space and \(5,\) in the other"):
        one.union(ParameterSpace({"a": (5,)}, {"a": None}))
