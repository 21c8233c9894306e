"""Config files as plain dicts: a complete one, changes by dotted path, and what is wrong in which way."""

import copy
from collections.abc import Mapping
from typing import Any

from gradiend.config import parse_config
from gradiend.experiment import ExperimentConfig

MINIMAL: dict[str, Any] = {
    "experiment_dir": "results",
    "model": "bert",
    "data": {"source": "pronouns.csv"},
    "target_classes": ["female", "male"],
}
COMPLETE: dict[str, Any] = {
    **MINIMAL,
    "model": {"name": "bert"},
    "data": {"source": "pronouns.csv", "columns": {}},
    "training_arguments": {
        "use_cached_gradients": True,
        "convergent_score_threshold": 0.5,
        "pre_prune_config": {"topk": 0.1},
        "post_prune_config": {"topk": 0.1},
    },
    "decoder": {},
}


def changed(raw: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the values at some dotted paths replaced; mappings on the way are made where there are none."""
    result = copy.deepcopy(dict(raw))
    for path, value in changes.items():
        *above, last = path.split(".")
        inner = result
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return result


def config(**arguments: Any) -> ExperimentConfig:
    """The minimal config with these training arguments."""
    return parse_config(changed(MINIMAL, {"training_arguments": arguments}), "config.yaml")


ARGUMENTS = "training_arguments"
PRE, POST = f"{ARGUMENTS}.pre_prune_config", f"{ARGUMENTS}.post_prune_config"
AT_THE_TOP = (
    "experiment_dir, model, data, target_classes, training_arguments, decoder, tuning, control, comparison, shards"
)
COUNT = "should be an integer >= 1"
TOPK = "should be an integer count >= 1 or a fraction in (0, 1]"
RATE = "should be a number > 0, 'auto' or 'tune'"
WINDOW = "should be an integer >= 1, or a list of them, not empty"
MAPPING = "should be a mapping (key: value)"
TEXT = "should be text, not empty"
NAMES = "should be a list of names, not empty"
WAYS = "should be a list of 'strengthen', 'weaken' and 'balance', not empty"
CLASSES = "should be a list of two different classes"
DEVICES = "cpu, cuda, cuda:N, mps or auto"
VALUES = "should be a list of the values to try, not empty"
FILES = "demo, a table file, {class: table file}, a Hugging Face data set id, or a local data set folder"

# A path in the minimal config, a wrong value there, and how the message goes on after the path. Of these, which are
# wrong by themselves, a JSON schema knows, too.
WRONG_VALUES: list[tuple[str, Any, str]] = [
    # unknown keys, at every level
    ("trainig_arguments", {}, ": unknown setting 'trainig_arguments' (did you mean 'training_arguments'?)"),
    ("run", {}, ": unknown setting 'run' (did you mean 'runs'?)"),
    ("learning_rate", 1, ": unknown setting 'learning_rate' (did you mean 'training_arguments.learning_rate'?)"),
    ("model", {"name": "a", "revison": "b"}, ".revison: unknown setting 'revison' (did you mean 'revision'?)"),
    ("data.sorce", "a", ": unknown setting 'sorce' (did you mean 'source'?)"),
    ("data.columns.lable", "a", ": unknown setting 'lable' (did you mean 'label'?)"),
    ("decoder.lms_rate", 1, ": unknown setting 'lms_rate' (did you mean 'lms_ratio'?)"),
    (f"{ARGUMENTS}.learning_rte", 1, ": unknown setting 'learning_rte' (did you mean 'learning_rate'?)"),
    (f"{PRE}.topkk", 1, ": unknown setting 'topkk' (did you mean 'topk'?)"),
    (f"{POST}.n_samples", 1, f": unknown setting 'n_samples' (did you mean '{PRE}.n_samples'?)"),
    ("runs", {"a": {"data": {"x": 1}}}, ".a.data.x: unknown setting 'x' (known: source, neutral, columns, "
     "mask_placeholder, split_by, too_long)"),
    ("runs", {"a": {"runs": {}}}, f".a.runs: unknown setting 'runs' (known: {AT_THE_TOP})"),
    ("matrix", {"decoder.lms": [1, 2]}, "[lms=1].decoder.lms: unknown setting 'lms' (known: learning_rates, "
     "lms_ratio, directions, feature_factors, shards)"),
    # wrong types
    ("shards", "two", f": 'two' is wrong: {COUNT}"),
    ("shards", 1.5, f": 1.5 is wrong: {COUNT}"),
    ("decoder.shards", 0, f": 0 is wrong: {COUNT}"),
    ("experiment_dir", ["a"], f": ['a'] is wrong: {TEXT}"),
    ("model", ["a"], ": ['a'] is wrong: should be text (folder or id) or a mapping with a name"),
    ("model", "", f".name: '' is wrong: {TEXT}"),
    ("data", "a.csv", f": 'a.csv' is wrong: {MAPPING}"),
    ("data.columns", None, f": null is wrong: {MAPPING}"),
    ("data.source", 3, ": 3 is wrong: should be text or {class: table file} (write it in quotes)"),
    ("data.source", {"a": 3}, f".a: 3 is wrong: {TEXT} (write it in quotes)"),
    ("data.source", {}, ": {} is wrong: should be text or {class: table file}"),
    ("data.mask_placeholder", "", f": '' is wrong: {TEXT}"),
    (ARGUMENTS, [1], f": [1] is wrong: {MAPPING}"),
    (f"{ARGUMENTS}.params", "a.*", f": 'a.*' is wrong: {NAMES}, or null"),
    (f"{ARGUMENTS}.params", [], f": [] is wrong: {NAMES}, or null"),
    (f"{ARGUMENTS}.do_eval", 1, ": 1 is wrong: should be true or false"),
    (f"{ARGUMENTS}.class_merge_map", {"a": "x"}, f".a: 'x' is wrong: {NAMES}"),
    (f"{ARGUMENTS}.mlm_head.right_window", 0, f": 0 is wrong: {WINDOW}"),
    (f"{ARGUMENTS}.mlm_head.right_window", [], f": [] is wrong: {WINDOW}"),
    (PRE, True, f": true is wrong: {MAPPING} or null"),
    # a bool where a number is meant
    ("shards", True, f": true is wrong: {COUNT}"),
    (f"{ARGUMENTS}.learning_rate", True, f": true is wrong: {RATE}"),
    (f"{ARGUMENTS}.seed", False, ": false is wrong: should be an integer >= 0 or null"),
    ("decoder.feature_factors", {"male": True}, ".male: true is wrong: should be a number in [-1e6, 1e6]"),
    ("decoder.feature_factors", {"male": 1e39}, ".male: 1e+39 is wrong: should be a number in [-1e6, 1e6]"),
    ("tuning.factors", [1e-323], ".0: 1e-323 is wrong: should be a number in [1e-30, 1e30]"),
    ("decoder.learning_rates", [True], ".0: true is wrong: should be a number > 0"),
    # out of range
    (f"{ARGUMENTS}.max_seeds", 0, f": 0 is wrong: {COUNT}"),
    (f"{ARGUMENTS}.seed", -1, ": -1 is wrong: should be an integer >= 0 or null"),
    (f"{ARGUMENTS}.max_steps", -2, ": -2 is wrong: should be an integer >= -1 (-1: none)"),
    (f"{ARGUMENTS}.adam_epsilon", 0, ": 0 is wrong: should be a number > 0"),
    (f"{ARGUMENTS}.weight_decay", -0.1, ": -0.1 is wrong: should be a number >= 0"),
    (f"{PRE}.topk", 1.5, f": 1.5 is wrong: {TOPK}"),
    (f"{POST}.topk", 0, f": 0 is wrong: {TOPK}"),
    ("decoder.lms_ratio", 1.01, ": 1.01 is wrong: should be a number in (0, 1]"),
    ("decoder.learning_rates", [1, -1], ".1: -1 is wrong: should be a number > 0"),
    ("decoder.learning_rates", [], ": [] is wrong: should be a list of numbers > 0, not empty, or null"),
    # not one of the words
    (f"{ARGUMENTS}.optim", "adamW2", ": 'adamW2' is wrong: should be 'adamw' or 'adam' (did you mean 'adamw'?)"),
    (f"{ARGUMENTS}.source", "fatual", ": 'fatual' is wrong: should be 'factual', 'alternative' or 'diff' "
     "(did you mean 'factual'?)"),
    (f"{ARGUMENTS}.learning_rate", "atuo", f": 'atuo' is wrong: {RATE} (did you mean 'auto'?)"),
    ("decoder.directions", ["weakn"], ".0: 'weakn' is wrong: should be 'strengthen', 'weaken' or 'balance' "
     "(did you mean 'weaken'?)"),
    ("decoder.directions", "weaken", f": 'weaken' is wrong: {WAYS}"),
    ("decoder.directions", [], f": [] is wrong: {WAYS}"),
    # not two classes
    ("target_classes", ["a"], f": ['a'] is wrong: {CLASSES}"),
    ("target_classes", ["a", "b", "c"], f": ['a', 'b', 'c'] is wrong: {CLASSES}"),
    ("target_classes", ["a", "a"], ": ['a', 'a'] is wrong: should be two different classes"),
    ("target_classes", ["a", True], f".1: true is wrong: {TEXT} (write it in quotes)"),
    # missing
    ("data", None, ": is missing (Examples and neutral texts)"),
    ("data", {}, f".source: is missing ({FILES})"),
    ("model", None, ": is missing (The base model)"),
    ("experiment_dir", None, ": is missing (Root directory of the experiment)"),
    ("target_classes", None, ": is missing (The two classes to separate; the first encodes to +1, the second to -1)"),
    # runs and matrix
    ("runs", ["a"], f": ['a'] is wrong: {MAPPING}"),
    ("runs", {"a": 3}, f".a: 3 is wrong: {MAPPING}"),
    ("runs", {"a/b": {}}, ": 'a/b' is no run id: use letters, digits, _ . = and -, at most 150"),
    ("runs", {"ab" * 75 + "c": {}}, f": {'ab' * 50!r:.60}... is no run id: use letters, digits, _ . = and -, at most "
     "150"),
    ("matrix", {"shards": 3}, f".shards: 3 is wrong: {VALUES}"),
    ("matrix", {"shards": []}, f".shards: [] is wrong: {VALUES}"),
]  # fmt: skip

WORD = "is a word of the result files: give the class another name (class_merge_map)"
BY_LOSS = {"convergent_metric": "loss", "convergent_score_threshold": 1}

# Changes of the minimal config that no schema can know to be wrong, and the message.
WRONG_TOGETHER: list[tuple[dict[str, Any], str]] = [
    ({PRE: {"topk": 5, "threshold": 0.1}}, f"{PRE}: topk 5 and threshold 0.1: give exactly one of the two"),
    (
        {f"{ARGUMENTS}.convergent_metric": "loss"},
        f"{ARGUMENTS}: convergent_metric 'loss' needs a convergent_score_threshold (a loss, such as 1e-9)",
    ),
    (
        {ARGUMENTS: {"supervised_encoder": True, "supervised_decoder": True, **BY_LOSS}},
        f"{ARGUMENTS}: supervised_encoder and supervised_decoder are both true: choose one",
    ),
    (
        {f"{ARGUMENTS}.min_convergent_seeds": 4},
        f"{ARGUMENTS}: min_convergent_seeds 4 is more than max_seeds 3: ask for at most 3",
    ),
    (
        {f"{ARGUMENTS}.supervised_decoder": True},
        f"{ARGUMENTS}: supervised_decoder trains no encoder whose correlation could converge: "
        "set convergent_metric: loss",
    ),
    (
        {ARGUMENTS: {"supervised_encoder": True, "post_prune_config": {"part": "decoder-weight"}}},
        f"{ARGUMENTS}: post_prune_config.part 'decoder-weight' is untrained with supervised_encoder: "
        "use 'encoder-weight'",
    ),
    (
        {ARGUMENTS: {"supervised_decoder": True, "post_prune_config": {"part": "encoder-weight"}, **BY_LOSS}},
        f"{ARGUMENTS}: post_prune_config.part 'encoder-weight' is untrained with supervised_decoder: "
        "use 'decoder-weight'",
    ),
    (
        {f"{POST}.part": "decoder-sum", f"{ARGUMENTS}.bias_decoder": False},
        f"{ARGUMENTS}: post_prune_config.part 'decoder-sum' needs a bias, and bias_decoder is false: "
        "use 'decoder-weight'",
    ),
    (
        {f"{PRE}.topk": 10, f"{POST}.topk": 11},
        f"{ARGUMENTS}: post_prune_config.topk 11 is more than the 10 entries that pre_prune_config.topk keeps: "
        "ask for at most 10",
    ),
    (
        {f"{ARGUMENTS}.decoder_eval_max_size_training_like": 1},
        f"{ARGUMENTS}: decoder_eval_max_size_training_like 1 leaves a target class without an example: "
        "ask for at least 2",
    ),
    (
        {f"{ARGUMENTS}.mlm_head": {"right_window": 3}},
        f"{ARGUMENTS}: mlm_head is for prediction_objective 'clm_mlm_head', not 'auto': set that, or leave it out",
    ),
    (
        {f"{ARGUMENTS}.device": "gpu"},
        f"{ARGUMENTS}.device: 'gpu' is wrong: should be {DEVICES} (did you mean 'cuda'?)",
    ),
    (
        {f"{ARGUMENTS}.device_encoder": "cuda:x"},
        f"{ARGUMENTS}.device_encoder: 'cuda:x' is wrong: should be {DEVICES} (did you mean 'cuda'?)",
    ),
    (
        {f"{ARGUMENTS}.device_decoder": "cpuu"},
        f"{ARGUMENTS}.device_decoder: 'cpuu' is wrong: should be {DEVICES} (did you mean 'cpu'?)",
    ),
    (
        {f"{ARGUMENTS}.convergent_score_threshold": 50},
        f"{ARGUMENTS}: convergent_score_threshold 50 is more than any correlation: ask for at most 1",
    ),
    ({"experiment_dir": "a{b}"}, "experiment_dir: 'a{b}' is wrong: should be a folder without braces in its name"),
    (
        {f"{ARGUMENTS}.output_dir": "{run}"},
        f"{ARGUMENTS}.output_dir: '{{run}}' is wrong: should be a folder without braces in its name",
    ),
    (
        {f"{ARGUMENTS}.seed_runs_dir": "results"},
        f"{ARGUMENTS}.seed_runs_dir: 'results' is or holds experiment_dir 'results': give a folder of its own, "
        "such as 'results/seeds'",
    ),
    (
        {f"{ARGUMENTS}.output_dir": "results/a/data", "runs": {"a": {}}},
        f"{ARGUMENTS}.output_dir: 'results/a/data' is in 'results/a/data', which the pipeline itself writes: "
        "give a folder of its own, such as 'results/model'",
    ),
    (
        {"runs": {"a": {}, "b": {ARGUMENTS: {"output_dir": "elsewhere"}}}},
        f"runs.b.{ARGUMENTS}.output_dir: 'elsewhere' is wrong: should be null for all runs; "
        "each has a folder of its own in it",
    ),
    ({"target_classes": ["female", "neutral"]}, f"target_classes: 'neutral' {WORD}"),
    ({"target_classes": ["predictions.parquet", "male"]}, f"target_classes: 'predictions.parquet' {WORD}"),
    ({"target_classes": ["weaken", "male"]}, f"target_classes: 'weaken' {WORD}"),
    ({"decoder.directions": ["weaken", "weaken"]}, "decoder.directions: 'weaken' is there more than once"),
    (
        {"decoder.feature_factors": {"femal": 1}},
        "decoder.feature_factors: 'femal' is not one of target_classes ['female', 'male']",
    ),
    (
        {"model": {"name": "a", "device_map": "auto"}, f"{ARGUMENTS}.device": "cpu"},
        "model.device_map 'auto' spreads the base model, and device_base_model (or device) 'cpu' puts it in one place: "
        "give one of them",
    ),
    (
        {"model": {"name": "a", "trust_remote_code": True}, f"{ARGUMENTS}.trust_remote_code": False},
        "model.trust_remote_code true and training_arguments.trust_remote_code false differ: give one of them",
    ),
    (
        {f"{ARGUMENTS}.experiment_dir": "elsewhere"},
        "experiment_dir: 'results' and training_arguments.experiment_dir 'elsewhere' differ: give one of them",
    ),
    ({POST: {"threshold": float("inf")}}, f"{POST}.threshold: inf is wrong: should be a number >= 0 or null"),
    (
        {f"{ARGUMENTS}.convergent_score_threshold": float("nan")},
        f"{ARGUMENTS}.convergent_score_threshold: nan is wrong: should be a number",
    ),
    ({PRE: {"topk": 5.0}}, f"{PRE}.topk: 5.0 is wrong: {TOPK}"),
    ({"runs": {"a": {"comparison": {"topk": 7}}}}, "runs.a.comparison: is about all runs together: put it at the top"),
    ({"matrix": {"comparison.topk": [7]}}, "matrix[topk=7].comparison: is about all runs together: put it at the top"),
    ({"runs": {"demo": {}}}, "runs: 'demo' is a folder of the pipeline: choose another run id"),
    (
        {"runs": {"x" + "ab" * 20: {}}},
        f"runs.x{'ab' * 20}: 'x{'ab' * 20}' ends in the same characters 20 times or more: choose another run id",
    ),
    (
        {"matrix": {ARGUMENTS: [{"seed": 2}, {}], f"{ARGUMENTS}.seed": [1]}},
        f"matrix.{ARGUMENTS}.seed: is also decided by matrix.{ARGUMENTS}: "
        "vary it in one of the two, or give the runs by name",
    ),
    (
        {"matrix": {PRE: [None, {"topk": 0.1}], f"{PRE}.source": ["diff"]}},
        f"matrix.{PRE}.source: is also decided by matrix.{PRE}: vary it in one of the two, or give the runs by name",
    ),
    (
        {"matrix": {f"{PRE}.source": ["diff"], PRE: 3}},
        f"matrix.{PRE}: 3 is wrong: should be a list of the values to try, not empty",
    ),
    ({"runs": {1: {}, "1": {}}}, "runs: '1' is there more than once"),
    (
        {"runs": {"shards=1": {}}, "matrix": {"shards": [1]}},
        "runs.shards=1: is also a run of the matrix: choose another run id",
    ),
    (
        {"runs": {"a": {}, "b": {"experiment_dir": "elsewhere"}}},
        "runs.b.experiment_dir: 'elsewhere' is wrong: should be 'results' for all runs; "
        "each has a folder of its own in it",
    ),
    ({"matrix": {"shards": [1, 2, 1]}}, "matrix.shards: 1 is there more than once"),
    (
        {f"{ARGUMENTS}.class_merge_map": {1: ["x"]}},
        f"{ARGUMENTS}.class_merge_map.1: the key 1 is wrong: should be text (write it in quotes)",
    ),
    (
        {ARGUMENTS: {"optim": "sgd", "max_seeds": 0}},
        f"{ARGUMENTS}.optim: 'sgd' is wrong: should be 'adamw' or 'adam'; {ARGUMENTS}.max_seeds: 0 is wrong: {COUNT}",
    ),
]
