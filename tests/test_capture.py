"""Gradient rows equal plain autograd's, for every kind of model, batch and kept space."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers
from tiny import (
    autograd_rows,
    base_model_settings,
    random_space,
    relative_error,
    seeded,
    tiny_examples,
    tiny_masked_lm,
    tiny_pairs,
    tiny_tokenizer,
    whole_space,
)
from torch import Tensor, nn

from gradiend.backbones.loading import load_base_model
from gradiend.backbones.masked_lm import MaskedLM
from gradiend.backbones.slots import Slot, losses
from gradiend.errors import GradiendError
from gradiend.gradients import capture as capture_module
from gradiend.gradients.autograd import each_gradient
from gradiend.gradients.capture import Capture, Pair
from gradiend.gradients.sites import site_for
from gradiend.space import ParameterSpace, select_parameters

EXACT = 1e-12  # relative norm of a row in float64
FLOAT32 = 3e-6  # and in float32
KEY = "bert.encoder.layer.0.attention.self.key.weight"


def true_rows(base: MaskedLM, space: ParameterSpace, pairs: list[Pair]) -> tuple[Tensor, Tensor]:
    factual = autograd_rows(base, space, [pair.factual for pair in pairs])
    return factual, autograd_rows(base, space, [pair.alternative for pair in pairs])


def require_exact(base: MaskedLM, space: ParameterSpace, pairs: list[Pair], tolerance: float = EXACT) -> Capture:
    """Example rows and the batch row equal autograd's; the capture that made them."""
    capture = Capture(base, space)
    examples, batch = capture.example_rows(pairs), capture.batch_row(pairs)
    for found, row, true in zip(examples, batch, true_rows(base, space, pairs), strict=True):
        assert relative_error(found, true) < tolerance
        assert relative_error(row, true.mean(0)) < tolerance
    return capture


def space_of(base: MaskedLM, *patterns: str) -> ParameterSpace:
    parameters = base.parameters()
    return ParameterSpace.of({name: parameters[name] for name in select_parameters(list(parameters), patterns)})


@pytest.mark.parametrize("tie", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("share", [1.0, 0.3, 0.05, 0.0])
def test_rows_equal_float64_autograd(share: float, tie: bool) -> None:
    base = tiny_masked_lm(torch.float64, tie)
    capture = require_exact(base, random_space(base, share), tiny_pairs(base))
    assert not capture.plain


def test_float32_rows_are_as_exact_as_plain_autograd() -> None:
    exact, base = tiny_masked_lm(torch.float64), tiny_masked_lm()
    for share in (1.0, 0.05):
        space, pairs = random_space(base, share), tiny_pairs(base)
        found = Capture(base, space).example_rows(pairs)[0]
        plain, true = true_rows(base, space, pairs)[0], true_rows(exact, space, pairs)[0]
        assert found.dtype == torch.float32
        assert relative_error(found, true) < FLOAT32
        assert relative_error(found, true) < 1.5 * relative_error(plain, true)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.1), (torch.float16, 0.01)], ids=str)
def test_rows_of_half_precision_models_are_float32_and_need_no_fallback(dtype: torch.dtype, tolerance: float) -> None:
    base = tiny_masked_lm(dtype)
    space, pairs = whole_space(base), tiny_pairs(base)
    exact = tiny_masked_lm()
    exact.model.load_state_dict(base.model.state_dict())  # the same weights, rounded
    capture = Capture(base, space)
    found = capture.example_rows(pairs)[0]
    assert found.dtype == torch.float32
    assert relative_error(found, true_rows(exact, space, pairs)[0]) < tolerance
    assert not capture.plain


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_rows_do_not_depend_on_batch_size_on_padding_or_on_order(dtype: torch.dtype) -> None:
    base = tiny_masked_lm(dtype)
    pairs, capture = tiny_pairs(base), Capture(base, random_space(base, 0.3))
    tolerance = EXACT if dtype == torch.float64 else FLOAT32
    factual, alternative = capture.example_rows(pairs)
    for size in (1, 3):
        parts = [capture.example_rows(pairs[start : start + size]) for start in range(0, len(pairs), size)]
        assert relative_error(torch.cat([part[0] for part in parts]), factual) < tolerance
        assert relative_error(torch.cat([part[1] for part in parts]), alternative) < tolerance
    backwards = capture.example_rows(pairs[::-1])
    assert relative_error(backwards[0].flip(0), factual) < tolerance
    assert relative_error(backwards[1].flip(0), alternative) < tolerance
    assert relative_error(capture.batch_row(pairs[::-1])[0], capture.batch_row(pairs)[0]) < tolerance


def test_a_batch_row_is_the_mean_of_its_examples_rows() -> None:
    base = tiny_masked_lm(torch.float64)
    pairs, capture = tiny_pairs(base), Capture(base, random_space(base, 0.3))
    for rows, row in zip(capture.example_rows(pairs), capture.batch_row(pairs), strict=True):
        assert relative_error(row, rows.mean(0)) < EXACT


def test_an_identity_example_has_the_same_row_twice() -> None:
    base = tiny_masked_lm(torch.float64)
    pairs = tiny_pairs(base, tiny_examples().query("factual_class == 'plural'"))
    space = random_space(base, 0.3)
    factual, alternative = require_exact(base, space, pairs).example_rows(pairs)
    assert torch.equal(factual, alternative)


def forward_passes(base: MaskedLM, call: Callable[[], object]) -> int:
    passes: list[nn.Module] = []
    handle = base.backbone.register_forward_hook(lambda module, inputs, output: passes.append(module))
    call()
    handle.remove()
    return len(passes)


def test_one_forward_pass_serves_both_tokens_where_their_input_is_the_same() -> None:
    base = tiny_masked_lm()
    single = tiny_pairs(base, tiny_examples().query("factual in ('she', 'he', 'they')"))
    several = tiny_pairs(base, tiny_examples().query("factual == 'woman'"))
    capture = Capture(base, random_space(base, 0.3))
    capture.example_rows(single)
    assert forward_passes(base, lambda: capture.example_rows(single)) == 1
    assert forward_passes(base, lambda: capture.batch_row(single)) == 1
    assert forward_passes(base, lambda: capture.example_rows(single + several)) == 2


def test_a_text_of_nothing_but_the_slot_has_a_row() -> None:
    base = tiny_masked_lm(torch.float64)
    she, he = base.target_ids("she"), base.target_ids("he")
    mask = (base.tokenizer.mask_token_id,)
    pair = Pair(Slot(mask, (0,), she), Slot(mask, (0,), he))
    require_exact(base, random_space(base, 0.3), [pair])
    last = Pair(Slot((9, *mask), (1,), she), Slot((9, *mask), (1,), he))
    require_exact(base, random_space(base, 0.3), [last, pair])


# Other models ---------------------------------------------------------------------------------------------------

SIZES: dict[str, Any] = {
    "vocab_size": len(tiny_tokenizer()),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}
MODELS: dict[str, tuple[dict[str, Any], str | None]] = {  # what takes the fallback: None for nothing
    "Roberta": ({"pad_token_id": 1}, None),  # padding_idx in both embeddings
    "Albert": ({"embedding_size": 8}, None),  # one layer, called twice
    "MPNet": ({}, "relative_attention_bias"),  # looked up once for all texts, by [tokens, tokens]
    "Deberta": (DISENTANGLED, "LayerNorm|rel_embeddings|bias|proj"),  # changes outputs in place
    "DebertaV2": (
        DISENTANGLED | {"norm_rel_ebd": "layer_norm"},
        "LayerNorm|rel_embeddings|proj",
    ),  # norm of [positions, d]
    "MobileBert": ({"embedding_size": 16, "intra_bottleneck_size": 16}, "LayerNorm|embeddings|bottleneck"),
    "FNet": ({}, None),  # no attention mask: its output depends on padding
}


def model_of(kind: str) -> MaskedLM:
    """A tiny model of another architecture, in float64."""
    build = getattr(transformers, f"{kind}ForMaskedLM")
    model = seeded(lambda: build(build.config_class(**(SIZES | MODELS[kind][0]))))
    return MaskedLM(model.double(), tiny_tokenizer())


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("kind", MODELS)
def test_rows_of_other_architectures_equal_autograd(kind: str) -> None:
    base = model_of(kind)
    tolerance = FLOAT32 if kind == "Deberta" else EXACT  # whose LayerNorm computes in float32, whatever it is given
    capture = require_exact(base, random_space(base, 0.5), tiny_pairs(base)[:3], tolerance)
    fallback = MODELS[kind][1]
    assert bool(capture.plain) == (fallback is not None)
    if fallback is not None:
        assert all(any(part in name for part in fallback.split("|")) for name in capture.plain)
        assert len(capture.plain) < len(capture.wanted)


def test_a_model_whose_output_depends_on_padding_gets_its_examples_one_at_a_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    base = model_of("FNet")
    pairs, capture = tiny_pairs(base)[:3], Capture(base, random_space(base, 0.1))
    capture.example_rows(pairs)
    assert "depends on padding" in caplog.text
    assert forward_passes(base, lambda: capture.batch_row(pairs)) >= len(pairs)


# Modules without a rule, and rules that do not hold ---------------------------------------------------------------


class Scale(nn.Module):
    """A module that no rule knows: one factor per feature."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.linspace(0.5, 2, size, dtype=torch.float64), requires_grad=False)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden * self.factor


class Functional(nn.Module):
    """Uses a Linear's parameters without calling it; if `both`, calls it as well."""

    def __init__(self, linear: nn.Module, both: bool) -> None:
        super().__init__()
        self.linear: Any = linear
        self.both = both

    def forward(self, hidden: Tensor) -> Tensor:
        result = F.linear(hidden, self.linear.weight, self.linear.bias)
        return result + self.linear(hidden) if self.both else result


class ByKeyword(nn.Module):
    """Calls a Linear with a keyword."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = self.linear(input=hidden)
        return result


class Flattening(nn.Module):
    """Calls a Linear with all tokens of all texts in one list, where there are `from_` texts or more."""

    def __init__(self, linear: nn.Module, from_: int = 1) -> None:
        super().__init__()
        self.linear, self.from_ = linear, from_

    def forward(self, hidden: Tensor) -> Tensor:
        flat = hidden.flatten(0, 1) if len(hidden) >= self.from_ else hidden
        result: Tensor = self.linear(flat)
        return result.view(*hidden.shape[:2], -1)


class TokensFirst(nn.Module):
    """Calls a Linear with `[tokens, texts, features]`."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = self.linear(hidden.transpose(0, 1)).transpose(0, 1)
        return result


class Overflowing(nn.Module):
    """Finite values, and a gradient that is not."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + (0 * hidden).sqrt()


class Noisy(nn.Module):
    """Another result each time."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + torch.randn_like(hidden)


def with_dense(wrap: Callable[[nn.Module], nn.Module]) -> MaskedLM:
    """The tiny model in float64 with `wrap` around the first layer's intermediate Linear."""
    base = tiny_masked_lm(torch.float64)
    intermediate = base.pretrained.bert.encoder.layer[0].intermediate
    intermediate.dense = wrap(intermediate.dense)
    return base


WRAPS: dict[str, tuple[Callable[[nn.Module], nn.Module], set[str]]] = {
    "unknown module": (lambda dense: nn.Sequential(dense, Scale(32)), {"1.factor"}),
    "functional use": (lambda dense: Functional(dense, both=False), {"linear.weight", "linear.bias"}),
    "functional use and a call": (lambda dense: Functional(dense, both=True), {"linear.weight", "linear.bias"}),
    "called by keyword": (ByKeyword, {"linear.weight", "linear.bias"}),
    "texts in one list": (Flattening, {"linear.weight", "linear.bias"}),
}


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_parameters_without_a_rule_go_through_the_exact_fallback(wrap: str, share: float) -> None:
    base = with_dense(WRAPS[wrap][0])
    capture = require_exact(base, random_space(base, share), tiny_pairs(base))
    assert capture.plain == {f"bert.encoder.layer.0.intermediate.dense.{name}" for name in WRAPS[wrap][1]}


@pytest.mark.parametrize("examples", [1, 2, 3, 6])
def test_examples_are_told_apart_where_the_first_dimension_is_that_of_the_tokens(examples: int) -> None:
    base = with_dense(TokensFirst)
    pairs = tiny_pairs(base)[:1] * examples
    assert len(pairs[0].factual.ids) == 6  # as many tokens as examples, or a multiple
    require_exact(base, space_of(base, "*layer.0*"), pairs)
    two = Slot((9, base.tokenizer.mask_token_id), (1,), base.target_ids("she"))
    require_exact(base, space_of(base, "*layer.0*"), [Pair(two, two), *pairs])


def test_parameters_above_a_fallback_keep_their_rules() -> None:
    base = tiny_masked_lm(torch.float64)
    base.pretrained.bert.embeddings.LayerNorm = Scale(16)
    space = space_of(base, "*LayerNorm*", "*layer.0*", "*layer.1*", "*factor")
    capture = require_exact(base, space, tiny_pairs(base))
    assert capture.plain == {"bert.embeddings.LayerNorm.factor"}


def test_a_module_that_is_called_twice_adds_up() -> None:
    base = tiny_masked_lm(torch.float64)
    layers = base.pretrained.bert.encoder.layer
    layers[1] = layers[0]
    assert not require_exact(base, random_space(base, 0.3), tiny_pairs(base)).plain


def test_a_wrong_rule_is_caught_and_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    base = tiny_masked_lm(torch.float64)

    def slightly_wrong(module: nn.Module, attribute: str, kept: Tensor | None) -> Any:
        rule = site_for(module, attribute, kept)
        if module.get_parameter(attribute) is not base.parameters()[KEY] or rule is None:
            return rule
        return lambda rows, inputs, delta: rule(rows, inputs, 1.01 * delta)

    monkeypatch.setattr(capture_module, "site_for", slightly_wrong)
    with caplog.at_level(logging.WARNING):
        capture = require_exact(base, random_space(base, 0.3), tiny_pairs(base))
    assert capture.plain == {KEY}
    assert f"from plain autograd, for {KEY}" in caplog.text


def test_rows_that_cannot_be_had_are_an_error_at_every_call() -> None:
    base = with_dense(lambda dense: nn.Sequential(dense, Noisy()))
    capture = Capture(base, space_of(base, "*layer.0.output.dense.weight"))
    for _ in range(2):
        with pytest.raises(GradiendError, match=r"rows of 'bert\.encoder\.layer\.0\.output\.dense\.weight' differ"):
            capture.example_rows(tiny_pairs(base))


def test_a_module_that_is_called_unlike_in_the_check_is_an_error_that_names_it() -> None:
    base = with_dense(lambda dense: Flattening(dense, from_=3))
    pairs, capture = tiny_pairs(base), Capture(base, random_space(base, 0.3))
    assert relative_error(capture.example_rows(pairs[:2])[0], true_rows(base, capture.space, pairs[:2])[0]) < EXACT
    with pytest.raises(GradiendError, match=r"rows of 'bert\.encoder.*intermediate\.dense\.linear\.bias'"):
        capture.example_rows(pairs[:3])


def test_rows_that_are_not_finite_are_left_to_whoever_gets_them() -> None:
    base = with_dense(lambda dense: nn.Sequential(dense, Overflowing()))
    space, pairs = random_space(base, 0.1), tiny_pairs(base)
    capture = Capture(base, space)
    found, true = capture.example_rows(pairs)[0], true_rows(base, space, pairs)[0]
    assert not found.isfinite().all() and not true.isfinite().all()
    assert not capture.plain


# What is left behind ----------------------------------------------------------------------------------------------


def require_untouched(base: MaskedLM) -> None:
    """No hook, no gradient, nothing that requires one."""
    for module in base.model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks and not module._backward_hooks
    for parameter in base.model.parameters():
        assert not parameter.requires_grad and parameter.grad is None
        assert not parameter._post_accumulate_grad_hooks


def test_nothing_is_left_behind() -> None:
    for base in (tiny_masked_lm(), with_dense(lambda dense: nn.Sequential(dense, Scale(32)))):
        weights = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
        capture = Capture(base, random_space(base, 0.3))
        capture.example_rows(tiny_pairs(base))
        capture.batch_row(tiny_pairs(base))
        require_untouched(base)
        assert all(torch.equal(tensor, weights[name]) for name, tensor in base.model.state_dict().items())


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5, 6])
def test_nothing_is_left_behind_after_an_error(call: int) -> None:
    base = with_dense(lambda dense: nn.Sequential(dense, Scale(32)))
    calls: list[int] = []

    def fail(module: nn.Module, inputs: Any, output: Any) -> None:
        calls.append(1)
        if len(calls) == call:
            raise ValueError("inside")

    handle = base.pretrained.cls.register_forward_hook(fail)
    with pytest.raises(ValueError, match="inside"):
        Capture(base, random_space(base, 0.3)).example_rows(tiny_pairs(base))
    handle.remove()
    require_untouched(base)


def test_an_error_in_a_backward_pass_leaves_no_gradient() -> None:
    base = tiny_masked_lm()
    batch = base.batch([tiny_pairs(base)[0].factual])

    def receive(name: str, gradient: Tensor) -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"), each_gradient({KEY: base.parameters()[KEY]}, receive):
        losses(base.logits(batch), batch).sum().backward()
    require_untouched(base)


def test_each_gradient_is_given_once_and_freed() -> None:
    base = tiny_masked_lm()
    batch, given = base.batch([tiny_pairs(base)[0].factual]), dict[str, int]()

    def receive(name: str, gradient: Tensor) -> None:
        given[name] = sum(parameter.grad is not None for parameter in base.model.parameters())

    with each_gradient(base.parameters(), receive):
        losses(base.logits(batch), batch).sum().backward()
    assert given == dict.fromkeys(base.parameters(), 1)


# Parts of a model -------------------------------------------------------------------------------------------------


def test_only_the_selected_parameters_take_part() -> None:
    base = tiny_masked_lm(torch.float64)
    for patterns in (["*layer.1.*"], ["*position_embeddings*"], ["*.bias"], ["*layer.1.output.LayerNorm.weight"]):
        assert not require_exact(base, space_of(base, *patterns), tiny_pairs(base)).plain


def test_parameters_of_which_nothing_is_kept_have_no_hooks() -> None:
    base = tiny_masked_lm(torch.float64)
    space = whole_space(base)
    where = space.slices[KEY]
    capture = require_exact(base, space.select(torch.arange(where.start, where.start + 5)), tiny_pairs(base))
    assert [site.name for sites in capture.sites.values() for site in sites] == [KEY]


def test_the_backward_pass_goes_no_deeper_than_the_lowest_selected_parameter() -> None:
    base = tiny_masked_lm()
    seen: list[bool] = []
    layers = base.pretrained.bert.encoder.layer
    handles = [
        layer.register_forward_hook(lambda module, inputs, output: seen.append(output[0].requires_grad))
        for layer in layers
    ]
    capture = Capture(base, space_of(base, "*layer.1.*"))
    capture.example_rows(tiny_pairs(base))
    seen.clear()
    capture.example_rows(tiny_pairs(base)[:1])
    for handle in handles:
        handle.remove()
    assert seen == [False, True]


@pytest.mark.skipif("GRADIEND_SHARED" not in os.environ, reason="GRADIEND_SHARED names no folder of models")
def test_rows_of_a_real_model_equal_autograd() -> None:
    folder = Path(os.environ["GRADIEND_SHARED"]) / "models" / "minilm-mlm"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    base = load_base_model(base_model_settings(folder))
    space, pairs = random_space(base, 0.01), tiny_pairs(base, tiny_examples().iloc[:4])
    capture = Capture(base, space)
    found, row = capture.example_rows(pairs), capture.batch_row(pairs)
    assert not capture.plain
    base.model.double()
    for rows, of_batch, true in zip(found, row, true_rows(base, space, pairs), strict=True):
        assert relative_error(rows, true) < FLOAT32
        assert relative_error(of_batch, true.mean(0)) < FLOAT32
