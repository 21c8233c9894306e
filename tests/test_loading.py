"""Loading base models: what is wrong with a folder is named."""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from families import CAUSAL, CLASSIFIERS, MASKED, SEQ2SEQ, family
from safetensors.torch import load_file, save_file
from tiny import base_model_settings, save_tiny_model, tiny_bert, tiny_masked_lm, tiny_pairs
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM

from gradiend.backbones.loading import load_base_model
from gradiend.errors import GradiendError

WEIGHT = "bert.encoder.layer.1.output.dense.weight"
HEAD = "cls.predictions."
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "base")


def weights(change: Callable[[dict[str, Tensor]], object]) -> Change:
    """A change of the checkpoint's tensors."""

    def apply(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return apply


def config(**changes: Any) -> Change:
    """A change of config.json."""

    def apply(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return apply


def without(start: str) -> Change:
    """The checkpoint without the tensors of that name."""
    return weights(lambda tensors: [tensors.pop(name) for name in list(tensors) if name.startswith(start)])


def pickled(folder: Path) -> None:
    """The weights as PyTorch pickles them, and in no other file."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def remove(*patterns: str) -> Change:
    return lambda folder: [path.unlink() for pattern in patterns for path in folder.glob(pattern)]


def written(name: str, content: str) -> Change:
    return lambda folder: (folder / name).write_text(content)


def indexed(folder: Path, content: str) -> None:
    """The weights in one shard, and this index of them."""
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(content)


CHANGES: dict[str, tuple[Change, str]] = {
    "NaN": (weights(lambda t: t[WEIGHT][3].fill_(float("nan"))), f"parameter '{WEIGHT}' holds NaN or infinity"),
    "infinity": (weights(lambda t: t[WEIGHT][3].fill_(float("inf"))), f"parameter '{WEIGHT}' holds NaN or infinity"),
    "no head": (without(HEAD), f"lacks {HEAD}bias, .*: it was saved without its prediction head"),
    "no layer": (without(WEIGHT), f"lacks {WEIGHT}: it is not complete"),
    "shape": (weights(lambda t: t.update({WEIGHT: torch.zeros(3, 4)})), rf"'{WEIGHT}' is \[3, 4\] in its checkpoint"),
    "cut": (lambda folder: os.truncate(folder / "model.safetensors", 9000), "cannot be loaded"),
    "pickle": (
        pickled,
        "cannot be loaded .*no file named model.safetensors.*pickles .* are never read: load the model",
    ),
    "no weights": (remove("model.safetensors"), "cannot be loaded .*no file named model.safetensors"),
    "no tokenizer": (remove("token*"), "its tokenizer knows no words"),
    "empty": (remove("*"), "cannot be loaded"),
    "causal": (
        config(architectures=["BertLMHeadModel"]),
        "depend on the tokens after them: not causal",
    ),
    "no classifier": (config(architectures=["BertForSequenceClassification"]), r"lacks bert\.pooler\.dense\.bias, .*"),
    "tagger": (config(architectures=["BertForTokenClassification"]), "takes masked language models"),
    "architecture as text": (config(architectures="BertForTokenClassification"), r": BertForTokenClassification with"),
    "no architecture": (config(architectures=None), "no architecture with prediction_objective 'auto'"),
    "unknown type": (config(model_type="nonsense"), "model type `nonsense`"),
    "fewer layers": (
        config(num_hidden_layers=1),
        r"holds bert\.encoder\.layer\.1\..*, which a model of its config\.json does",
    ),
    "an adapter's weights": (
        weights(lambda t: t.update({f"base_model.model.{WEIGHT[:-7]}.lora_A.weight": torch.zeros(1, 32)})),
        r"holds 'base_model\.model\..*lora_A\.weight', of an adapter: merge the adapter into the model and save that",
    ),
    "an adapter beside it": (written("adapter_config.json", "{}"), r"holds an adapter .*: merge the adapter into"),
    "no tokenizer in the file": (written("tokenizer.json", "{}"), "cannot be loaded"),
    "a tokenizer that is a list": (written("tokenizer.json", "[]"), "cannot be loaded"),
    "tokenizer settings that are a list": (written("tokenizer_config.json", "[]"), "cannot be loaded"),
    "unknown activation": (config(hidden_act="foo"), "cannot be loaded .*content is wrong: .*foo"),
    "an index that is a list": (lambda folder: indexed(folder, "[]"), "cannot be loaded .*content is wrong"),
    "an empty index": (lambda folder: indexed(folder, "{}"), "cannot be loaded .*content is wrong"),
    "broken config": (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON file"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_wrong_with_a_base_model_is_named_in_one_line(saved: Path, tmp_path: Path, name: str) -> None:
    change, message = CHANGES[name]
    folder = shutil.copytree(saved, tmp_path / "base")
    change(folder)
    with pytest.raises(GradiendError, match=message) as error:
        load_base_model(base_model_settings(folder))
    assert str(error.value).startswith(f"base model '{folder}': ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["/no/such/folder", "./folder", "results/demo/model"])
def test_a_folder_that_is_missing_is_no_hugging_face_id(name: str) -> None:
    with pytest.raises(GradiendError, match=f"model: '{name}': no such folder"):
        load_base_model(base_model_settings(name))


def test_a_bare_name_that_cannot_be_loaded_gets_the_folder_that_may_be_meant(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(saved.parent)
    with pytest.raises(GradiendError, match=r"base model 'basse': cannot be loaded .* \(did you mean 'base'\?\)"):
        load_base_model(base_model_settings("basse"))


def test_a_revision_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(GradiendError, match="base model 'owner/name' at revision 'v7': cannot be loaded"):
        load_base_model(base_model_settings("owner/name", revision="v7"))


def test_a_t5_without_its_tokenizers_files_is_no_model_of_one_word(tmp_path: Path) -> None:
    family("T5").save_pretrained(tmp_path)
    for path in tmp_path.glob("token*"):
        path.unlink()
    with pytest.raises(GradiendError, match="its tokenizer knows no words"):
        load_base_model(base_model_settings(tmp_path))


@pytest.mark.parametrize("name", ["BERT", "GPT-2", "T5", "BART", "GPT-NeoX", "ModernBERT"])
@pytest.mark.parametrize("prefix", ["", "own"])
def test_weights_that_the_config_has_no_layer_for_are_named_and_those_of_other_heads_are_fine(
    tmp_path: Path, name: str, prefix: str
) -> None:
    base = family(name)
    base.save_pretrained(tmp_path)
    own = "" if prefix and base.model.base_model is not base.model else f"{base.model.base_model_prefix}."
    lost = next(key for key, _ in base.model.base_model.named_parameters() if ".1." in key)

    def renamed(tensors: dict[str, Tensor]) -> None:
        for key in list(tensors):
            tensors[key.replace(f"{base.model.base_model_prefix}.", own, 1)] = tensors.pop(key)

    layer = own + lost[: lost.index(".1.") + 3]
    computed = (f"{layer}{name}" for name in ("attn.bias", "attention.masked_bias", "rotary.inv_freq", "table._weight"))
    heads = ("cls.seq_relationship.weight", "pooler.dense.weight", "score.weight", f"{own}pooler.dense.bias")
    others = (*computed, *heads, f"{own}vision_tower.proj.weight", f"{lost.split('.')[0]}.version")
    weights(renamed)(tmp_path)
    weights(lambda tensors: [tensors.update({key: torch.zeros(2)}) for key in others])(tmp_path)
    load_base_model(base_model_settings(tmp_path))
    weights(lambda tensors: tensors.update({lost.replace(".1.", ".7."): torch.zeros(2)}))(tmp_path)
    with pytest.raises(
        GradiendError, match=r"its checkpoint holds .*\.7\..*, which a model of its config\.json does not"
    ):
        load_base_model(base_model_settings(tmp_path))


@pytest.mark.parametrize("name", [*MASKED, *CAUSAL, *SEQ2SEQ, *CLASSIFIERS])
def test_no_usual_model_is_refused_for_weights_that_it_does_not_use(tmp_path: Path, name: str) -> None:
    family(name).save_pretrained(tmp_path)
    load_base_model(base_model_settings(tmp_path))


def test_a_token_that_the_tokenizer_has_and_the_model_has_not_is_named(saved: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(saved)
    tokenizer.add_tokens(["zebra"])
    tokenizer.save_pretrained(shutil.copytree(saved, tmp_path / "base"))
    base = load_base_model(base_model_settings(tmp_path / "base"))
    for text, label in (("then [MASK] said", "zebra"), ("the zebra saw [MASK]", "she")):
        with pytest.raises(GradiendError, match=r"\('zebra'\) of '.*' is none of its 62: its tokenizer is of another"):
            base.encode([text], [label], [0])


def test_a_device_that_is_not_there_is_an_error_before_anything_is_loaded(saved: Path) -> None:
    with pytest.raises(GradiendError, match=r"device_base_model \(or device\): 'cuda:77': this machine has "):
        load_base_model(base_model_settings(saved), device="cuda:77")


@pytest.mark.parametrize("objective", ["clm", "seq2seq"])
def test_another_prediction_objective_is_refused(saved: Path, objective: str) -> None:
    with pytest.raises(GradiendError, match=f"prediction_objective '{objective}': 'mlm' takes masked"):
        load_base_model(base_model_settings(saved, prediction_objective=objective))


def test_weights_stored_in_half_precision_are_loaded_as_configured(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "half", torch.float16)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    base, stored = load_base_model(base_model_settings(folder)), tiny_bert(torch.float16).state_dict()
    for name, tensor in base.model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, stored[name].float())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_are_loaded_in_the_type_asked_for(saved: Path, dtype: str) -> None:
    base = load_base_model(base_model_settings(saved, torch_dtype=dtype))
    assert {str(parameter.dtype) for parameter in base.model.parameters()} == {f"torch.{dtype}"}


def test_a_loaded_model_is_the_saved_one(saved: Path) -> None:
    base, original = load_base_model(base_model_settings(saved, mask_placeholder="_", too_long="cut")), tiny_masked_lm()
    batch = original.batch([pair.factual for pair in tiny_pairs(original)])
    assert torch.equal(base.logits(batch), original.logits(batch))
    assert (base.placeholder, base.too_long, base.limit) == ("_", "cut", original.limit)
    assert list(base.parameters()) == list(original.parameters())


def test_a_saved_model_is_a_plain_folder_that_loads_again(saved: Path, tmp_path: Path) -> None:
    base = load_base_model(base_model_settings(saved))
    base.save_pretrained(tmp_path / "copy")
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {path.name for path in saved.iterdir()}
    again = load_base_model(base_model_settings(tmp_path / "copy")).model.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in base.model.state_dict().items())


def test_a_device_map_spreads_the_model_while_it_is_loaded(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    load = AutoModelForMaskedLM.from_pretrained

    def spread(name: str, *, device_map: str, **options: Any) -> Any:
        asked.append(device_map)
        return load(name, **options)

    def moved(model: Any, device: str) -> None:
        raise AssertionError(f"moved to {device}")

    monkeypatch.setattr(AutoModelForMaskedLM, "from_pretrained", spread)
    monkeypatch.setattr(BertForMaskedLM, "to", moved)
    load_base_model(base_model_settings(saved), device="map:auto")
    assert asked == ["auto"]


def test_a_model_that_the_gpus_cannot_hold_is_an_error(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = AutoModelForMaskedLM.from_pretrained

    def spread(name: str, *, device_map: str, **options: Any) -> Any:
        model, found = load(name, **options)
        model.bert.encoder.layer[1].to("meta")
        return model, found

    monkeypatch.setattr(AutoModelForMaskedLM, "from_pretrained", spread)
    with pytest.raises(GradiendError, match=r"the GPUs have no room for 'bert\.encoder\.layer\.1.*: set torch_dtype"):
        load_base_model(base_model_settings(saved), device="map:auto")


def test_a_device_map_without_accelerate_is_an_error_that_names_it(saved: Path) -> None:
    if importlib.util.find_spec("accelerate"):
        pytest.skip("accelerate is here")
    with pytest.raises(GradiendError, match=r"cannot be loaded .*accelerate"):
        load_base_model(base_model_settings(saved), device="map:auto")
