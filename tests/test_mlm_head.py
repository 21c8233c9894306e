"""The head on the hidden states right of the slot: what it sees, what comes through it, and what it is worth."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from families import CAUSAL, POSITIONS, family
from test_families import ROUNDED
from tiny import base_model_settings, random_space, relative_error, tiny_examples, tiny_neutral, tiny_pairs, whole_space

from gradiend.arguments import MlmHeadConfig
from gradiend.backbones.causal_lm import CausalLM
from gradiend.backbones.loading import load_base_model, with_mlm_head
from gradiend.backbones.mlm_head import MlmHead, MlmHeadLM, filler, hidden_size
from gradiend.backbones.slots import Slot
from gradiend.errors import GradiendError
from gradiend.files import read_json
from gradiend.gradients.capture import Capture, Pair
from gradiend.gradients.importance import importance
from gradiend.gradients.rows import StoredRows
from gradiend.mlm_head import Features, features, fitted, forms_of, quality, train_head
from gradiend.settings import BaseModel, CacheGradients, TrainMlmHead
from gradiend.stages import cache_gradients, train_mlm_head
from gradiend.stages.live import open_split
from gradiend.tables import write_table

WINDOW = 3
FORMS = tuple(sorted({*tiny_examples()["factual"], *tiny_examples()["alternative"]}))


def headed(name: str = "GPT-2", dtype: torch.dtype = torch.float32, window: int = WINDOW, **options: str) -> MlmHeadLM:
    """A tiny causal model with a random head."""
    base = causal(name, dtype, **options)
    draw = torch.Generator().manual_seed(3)
    weight = torch.randn(len(FORMS), hidden_size(base), generator=draw, dtype=torch.float64)
    return MlmHeadLM(base, MlmHead(FORMS, window, weight, torch.randn(len(FORMS), generator=draw, dtype=torch.float64)))


def causal(name: str = "GPT-2", dtype: torch.dtype = torch.float32, **options: str) -> CausalLM:
    base = family(name, dtype)
    return CausalLM(base.pretrained, base.tokenizer, **options)


def one(model: MlmHeadLM, text: str, target: str = "she") -> Slot:
    (slot,) = model.encode([text], [target], [17])
    assert slot is not None
    return slot


def own_logits(model: MlmHeadLM, slot: Slot) -> torch.Tensor:
    """`[forms]`, by the definition: unpadded, the mean over the slot and all behind it."""
    hidden = model.pretrained.base_model(**model.batch([slot]).inputs).last_hidden_state[0]
    pooled = hidden[slot.positions[0] :].mean(0)
    return model.head.weight.to(pooled) @ pooled + model.head.bias.to(pooled)


def autograd_rows(model: MlmHeadLM, slots: list[Slot]) -> torch.Tensor:
    """Plain autograd through the definition, `[slots, input_dim]`."""
    space, parameters, rows = whole_space(model), model.parameters(), []
    for slot in slots:
        model.model.requires_grad_(True)
        loss = -own_logits(model, slot).log_softmax(-1)[slot.targets[0]]
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        model.model.requires_grad_(False)
        pairs = zip(parameters.items(), found, strict=True)
        rows.append(space.gather({n: torch.zeros_like(p) if g is None else g for (n, p), g in pairs}))
    return torch.stack(rows)


@pytest.mark.parametrize("name", CAUSAL)
def test_rows_through_the_head_equal_float64_autograd_in_any_batch(name: str) -> None:
    model = headed(name, torch.float64)
    pairs = tiny_pairs(model)
    capture = Capture(model, whole_space(model))
    found = capture.example_rows(pairs)
    alone = [torch.cat(rows) for rows in zip(*(capture.example_rows([pair]) for pair in pairs), strict=True)]
    for rows, single, slots in zip(
        found, alone, ([p.factual for p in pairs], [p.alternative for p in pairs]), strict=True
    ):
        true = autograd_rows(model, slots)
        assert relative_error(rows, true) < ROUNDED.get(name, 1e-12)
        assert relative_error(single, true) < ROUNDED.get(name, 1e-12)
    batch_row = capture.batch_row(pairs)[0]
    assert relative_error(batch_row[None], found[0].mean(0, keepdim=True)) < 1e-6


def test_the_importance_comes_through_the_head() -> None:
    model = headed("GPT-2", torch.float64)
    pairs, labels = tiny_pairs(model), [1.0, -1.0] * 5
    pairs = pairs[:10]
    names = list(model.parameters())
    found = importance(model, names, pairs, labels, source="diff", kind="signed_mean", batch_size=3)
    factual, alternative = (
        autograd_rows(model, [getattr(p, side) for p in pairs]) for side in ("factual", "alternative")
    )
    true = (torch.tensor(labels)[:, None] * (factual - alternative)).mean(0).abs()
    assert relative_error(whole_space(model).gather(found)[None], true[None]) < 1e-6


def test_float32_and_half_precision_rows_are_close() -> None:
    exact = headed("GPT-2", torch.float64)
    space = random_space(exact, 0.2)
    true, _ = Capture(exact, space).example_rows(tiny_pairs(exact))
    for dtype, bound in ((torch.float32, 1e-5), (torch.bfloat16, 0.1)):
        model = headed("GPT-2", dtype)
        rows, _ = Capture(model, space).example_rows(tiny_pairs(model))
        assert rows.dtype == torch.float32 and relative_error(rows, true) < bound


@pytest.mark.parametrize("name", ["GPT-2", "Llama"])
def test_no_parameter_of_any_head_is_in_the_space(name: str) -> None:
    model = headed(name)
    assert list(model.parameters()) == list(family(name).parameters())
    assert not any("head" in parameter for parameter in model.parameters())


def test_the_target_cannot_be_seen_in_what_the_model_sees() -> None:
    model, examples = headed(), tiny_examples()
    inputs = [
        {replace(one(model, text, form), targets=()) for form in FORMS} for text in sorted(set(examples["masked"]))
    ]
    assert all(len(seen) == 1 for seen in inputs)  # however many tokens the form has
    for pair in tiny_pairs(model):
        assert pair.factual.same_input(pair.alternative)


def test_the_filler_stands_at_the_slot_and_the_window_ends_the_input() -> None:
    model = headed(window=2)
    slot = one(model, "then [MASK] said . the dog")
    words = model.tokenizer.convert_ids_to_tokens(list(slot.ids))
    assert "".join(words).replace("\u0120", " ").startswith("then<|endoftext|> s")
    assert slot.ids[slot.positions[0]] == filler(model.tokenizer)[0]
    assert len(slot.ids) == slot.positions[0] + 1 + 2
    assert one(model, "then [MASK] said . the cat") == slot  # what is behind the window changes nothing
    assert one(model, "[MASK] said").positions == (0,)
    assert len(one(model, "then [MASK]").ids) == 1 + one(model, "then [MASK]").positions[0]


def test_a_token_at_the_beginning_of_every_text_is_kept_and_one_at_the_end_is_not_between() -> None:
    base = family("OPT")
    from test_causal_lm import with_ends

    words = with_ends()
    model = headed("OPT")
    again = MlmHeadLM(CausalLM(base.pretrained, words), model.head)
    for text in ("then [MASK] said", "[MASK] said"):
        slot = one(again, text)
        assert slot.ids[0] == words.bos_token_id
        assert words.eos_token_id not in slot.ids[1 : slot.positions[0]]
        assert slot.ids[slot.positions[0]] == again.filler


def test_a_long_text_is_refused_dropped_or_cut_at_its_beginning() -> None:
    text = "the dog saw " * POSITIONS + "[MASK] said that the dog"
    with pytest.raises(GradiendError, match=f"the base model allows {POSITIONS}"):
        one(headed(), text)
    assert headed(too_long="drop").encode([text], ["she"], [0]) == [None]
    slot = one(headed(too_long="cut"), text)
    assert (len(slot.ids), slot.positions[0]) == (POSITIONS, POSITIONS - 1 - WINDOW)
    with pytest.raises(GradiendError, match="right_window 64 is too long for a base model of 64 positions"):
        headed(window=POSITIONS)


def test_unknown_forms_and_texts_without_one_slot_are_named() -> None:
    with pytest.raises(GradiendError, match=r"example 17 .*: 'shee' is none of the forms .*did you mean 'she'"):
        one(headed(), "then [MASK]", "shee")
    with pytest.raises(GradiendError, match=r"example 17 .* must hold '\[MASK\]' once"):
        one(headed(), "then she")


def test_a_head_comes_back_as_it_was_and_belongs_to_one_width(tmp_path: Path) -> None:
    head = headed().head
    head.save(tmp_path / "head.safetensors")
    back = MlmHead.load(tmp_path / "head.safetensors")
    assert (back.forms, back.right_window) == (head.forms, head.right_window)
    torch.testing.assert_close(back.weight, head.weight.float())
    with pytest.raises(GradiendError, match=r"the head is for 15 hidden states, and base model .* has 16"):
        MlmHeadLM(causal(), replace(head, weight=head.weight[:, 1:]))
    (tmp_path / "broken").write_text("x")
    for name, said in (("broken", "not a readable head"), ("missing", "no such file")):
        with pytest.raises(GradiendError, match=f"{name}: {said}"):
            MlmHead.load(tmp_path / name)


# Training and quality


def some_features(count: int, seed: int, noise: float = 1.0) -> Features:
    """Two forms that a direction in eight dimensions tells apart."""
    draw = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % 2
    pooled = noise * torch.randn(count, 8, generator=draw, dtype=torch.float64)
    pooled[:, 0] += 4.0 * targets
    names = ["he", "she"]
    table = pd.DataFrame(
        {
            "factual": [names[i] for i in targets],
            "alternative": [names[1 - i] for i in targets],
            "factual_class": [("male", "female")[i] for i in targets],
        }
    )
    return Features(table, pooled)


def test_the_fit_is_where_the_gradient_of_the_penalised_loss_is_zero() -> None:
    found, decay = some_features(80, 0), 0.05
    weight, bias = fitted(found.pooled, found.targets(("he", "she")), 2, decay)
    mean, spread = found.pooled.mean(0), found.pooled.std(0, correction=0)
    standard, own = (found.pooled - mean) / spread, (weight * spread).requires_grad_()
    constant = (bias + weight @ mean).requires_grad_()
    loss = torch.nn.functional.cross_entropy(standard @ own.T + constant, found.targets(("he", "she")))
    for gradient in torch.autograd.grad(loss + decay / 2 * own.square().sum(), [own, constant]):
        assert float(gradient.norm()) < 1e-5


def test_window_and_weight_decay_are_chosen_on_validation_and_test_is_not_looked_at() -> None:
    blind = {split: some_features(60, i, noise=40.0) for i, split in enumerate(("train", "validation"))}
    seeing = {split: some_features(60, i) for i, split in enumerate(("train", "validation"))}
    trained = train_head({2: blind, 5: seeing}, ("he", "she"), (1.0, 0.01))
    assert trained.head.right_window == 5
    best = min(trained.candidates, key=lambda one: one["cross_entropy"])
    assert (trained.weight_decay, 5) == (best["weight_decay"], best["right_window"])
    assert len(trained.candidates) == 4


def test_a_weight_decay_that_leaves_no_finite_head_is_named() -> None:
    found = {split: some_features(60, i) for i, split in enumerate(("train", "validation"))}
    with pytest.raises(GradiendError, match=r"mlm_head\.weight_decay: 1e\+300 gives a head that is not finite"):
        train_head({5: found}, ("he", "she"), (1e300,))


def test_quality_is_accuracy_by_class_beside_the_majority() -> None:
    train, test = some_features(60, 0), some_features(40, 1)
    head = train_head({4: {"train": train, "validation": test}}, ("he", "she"), (0.01,)).head
    found = quality(head, test)
    wrong = test.table["factual"] != [head.forms[i] for i in head(test.pooled).argmax(1)]
    assert found["n"] == 40 and found["accuracy"] == 1 - wrong.mean() > 0.9
    assert found["majority"] == {"form": "he", "share": 0.5} and found["better"]
    assert found["by_class"]["female"]["n"] == 20
    assert sum(own["n"] * own["accuracy"] for own in found["by_class"].values()) == pytest.approx(40 - wrong.sum())
    assert found["pairs"] == {"n": 40, "accuracy": found["accuracy"]}
    assert found["cross_entropy"] < math.log(2)
    constant = MlmHead(("he", "she"), 4, torch.zeros(2, 8), torch.tensor([1.0, 0.0]))
    assert not quality(constant, test)["better"]


def test_always_saying_what_is_most_frequent_in_the_split_itself_is_no_better() -> None:
    test = some_features(40, 1)
    mostly = Features(test.table.iloc[5:].reset_index(drop=True), test.pooled[5:])
    most = mostly.table["factual"].mode()[0]
    constant = MlmHead(("he", "she"), 4, torch.zeros(2, 8), torch.tensor([float(most == "he"), float(most == "she")]))
    found = quality(constant, mostly)
    assert found["accuracy"] == found["majority"]["share"] >= 0.5 and not found["better"]


def test_a_form_that_training_never_shows_is_an_error() -> None:
    examples = tiny_examples()
    assert forms_of(examples) == FORMS
    unseen = examples.assign(factual=examples["factual"].where(examples["split"] != "test", "queen"))
    with pytest.raises(
        GradiendError, match=r"example \d+ of test: its factual form 'queen' is the label of no training"
    ):
        forms_of(unseen)


def test_features_do_not_depend_on_batch_size_and_leave_out_what_is_too_long() -> None:
    base, examples = causal(too_long="drop"), tiny_examples().query("split == 'train'")
    long = examples.assign(masked=examples["masked"].where(examples.index > 0, "the dog " * POSITIONS + "[MASK]"))
    by_size = [features(base, long, FORMS, 4, size) for size in (1, 3, 50)]
    assert [len(found.table) for found in by_size] == [len(long) - 1] * 3
    for found in by_size[1:]:
        torch.testing.assert_close(found.pooled, by_size[0].pooled, rtol=1e-5, atol=1e-6)
        assert found.table.equals(by_size[0].table)


# The stage


def settings_of(folder: Path, **head: Any) -> BaseModel:
    changes = {"prediction_objective": "clm_mlm_head", "mlm_head": MlmHeadConfig(**head)}
    return base_model_settings(folder, **changes)


def train_stage(
    folder: Path, examples: pd.DataFrame, too_long: str = "error", **head: Any
) -> tuple[str, dict[str, Any]]:
    family("GPT-2").save_pretrained(folder / "model")
    write_table(folder / "examples.parquet", examples)
    line = train_mlm_head.run(
        settings=TrainMlmHead(replace(settings_of(folder / "model", **head), too_long=too_long)),
        examples=folder / "examples.parquet",
        head=folder / "head.safetensors",
        quality_file=folder / "quality.json",
    )
    return line, read_json(folder / "quality.json")


def copied(count: int = 12) -> pd.DataFrame:
    """Texts in which the word behind the slot is the person's: the text before it says nothing."""
    rows = [
        (split, f"then [MASK] saw the {noun} at the {place} .", form, other, name, rest)
        for split in ("train", "validation", "test")
        for place in ("tree", "river", "house")
        for noun, form, other, name, rest in (
            ("king", "he", "she", "male", "female"),
            ("queen", "she", "he", "female", "male"),
        )
        for _ in range(count // 3)
    ]
    names = ["split", "masked", "factual", "alternative", "factual_class", "alternative_class"]
    return pd.DataFrame(rows, columns=names).assign(id=range(len(rows)), batch=0)


def test_the_stage_writes_a_head_that_tells_what_stands_right_of_the_slot(tmp_path: Path) -> None:
    line, found = train_stage(tmp_path, copied(), right_window=[1, 9])
    assert found["right_window"] == 9 and found["warnings"] == []
    assert found["test"]["accuracy"] == 1.0 and found["test"]["majority"]["share"] == 0.5
    assert "right window 9, 100.0% right on validation (n = 24, majority 50.0%)" in line
    settings = settings_of(tmp_path / "model")
    model = with_mlm_head(load_base_model(settings), settings, tmp_path / "head.safetensors")
    assert isinstance(model, MlmHeadLM)
    slots = model.encode(["then [MASK] saw the king at the tree ."], ["he"], [0])
    assert int(model.logits(model.batch([slot for slot in slots if slot])).argmax()) == model.head.forms.index("he")


def test_windows_are_compared_on_the_examples_that_the_longest_can_use(tmp_path: Path) -> None:
    examples = copied()
    before = "a"
    while len(causal().tokenizer(before)["input_ids"]) < POSITIONS - 4:
        before += " a"
    long = f"{before} [MASK] saw the king at the tree ."  # fits with one token behind the slot, not with nine
    examples.loc[examples.index[0], "masked"] = long
    _, found = train_stage(tmp_path, examples, right_window=[1, 9], too_long="drop")
    assert found["train"]["dropped"] == 1 and found["train"]["n"] == (examples["split"] == "train").sum() - 1
    _, alone = train_stage(tmp_path, examples, right_window=1, too_long="drop")
    assert alone["train"]["dropped"] == 0
    shared = next(one for one in found["candidates"] if one["right_window"] == 1)
    assert shared["cross_entropy"] != alone["candidates"][0]["cross_entropy"]


def test_stored_and_live_rows_come_through_the_head_and_neutral_ones_through_the_models_own(tmp_path: Path) -> None:
    train_stage(tmp_path, copied(), right_window=9, weight_decay=1.0)  # unsure, so 1 - P is no rounding error
    settings = settings_of(tmp_path / "model")
    base = load_base_model(settings)
    head, space = tmp_path / "head.safetensors", random_space(base, 0.1)
    space.save(tmp_path / "space.safetensors")
    write_table(tmp_path / "neutral.parquet", tiny_neutral())
    rows = CacheGradients(settings, None, False, 0)
    files = {"examples": tmp_path / "examples.parquet", "neutral": tmp_path / "neutral.parquet"}
    paths = {"space": tmp_path / "space.safetensors", "partial": tmp_path / "partial", "out": tmp_path / "rows"}
    cache_gradients.run(settings=rows, **files, **paths, mlm_head=head)
    model, examples = MlmHeadLM(causal(), MlmHead.load(head)), copied()
    pairs = {
        "test": (model, tiny_pairs(model, examples[examples["split"] == "test"])),
        "neutral": (base, [Pair(s, s) for s in base.neutral_slots(tiny_neutral().query("split == 'test'"), 0) if s]),
    }
    for split, (by, own) in pairs.items():
        true = Capture(by, space).example_rows(own)
        live = open_split(rows, space, files["examples"], split, 5, neutral=files["neutral"], mlm_head=head)
        for found in (StoredRows(tmp_path / "rows" / split, space, split), live):
            factual, alternative = zip(*(found.pair(row) for row in range(len(own))), strict=True)
            assert relative_error(torch.stack(factual), true[0]) < 1e-4
            assert relative_error(torch.stack(alternative), true[1]) < 1e-4


def test_a_head_that_is_no_better_than_the_majority_is_warned_of(tmp_path: Path) -> None:
    line, found = train_stage(tmp_path, copied(), right_window=1)
    assert len(found["warnings"]) == 2
    assert "WARNING: the head is not clearly better (by two standard errors) than always saying 'he'" in line
    assert "on validation: right for 50.0% of 24" in line


def test_the_head_is_there_exactly_where_it_is_asked_for(tmp_path: Path) -> None:
    family("GPT-2").save_pretrained(tmp_path)
    plain, asked = base_model_settings(tmp_path), settings_of(tmp_path)
    base = load_base_model(asked)
    assert isinstance(base, CausalLM)
    assert with_mlm_head(base, plain, None) is base
    with pytest.raises(GradiendError, match="prediction_objective 'clm_mlm_head' needs --mlm-head"):
        with_mlm_head(base, asked, None)
    with pytest.raises(GradiendError, match="prediction_objective 'auto' has no use for --mlm-head"):
        with_mlm_head(base, plain, tmp_path / "head.safetensors")
    assert base.neutral_slots(tiny_neutral(), 0)  # neutral texts go by the model's own predictions
