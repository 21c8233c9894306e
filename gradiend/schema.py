"""The JSON schema of a config file, made from the settings' types: `python -m gradiend.schema`.

It is for editors and for reading. The pipeline validates with the types themselves, whose messages say more.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from gradiend.config import RUN_ID
from gradiend.experiment import ExperimentConfig

Schema = dict[str, Any]

NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
NULL: Schema = {"type": "null"}


def config_schema() -> Schema:
    """The schema of a config file, draft 2020-12: all settings, and the forms that only a file knows."""
    made = TypeAdapter(ExperimentConfig).json_schema()
    definitions = {name: _part(schema) for name, schema in made["$defs"].items()}
    settings = _part(made)["properties"]
    keys = {**settings, **_short_forms(settings)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Config of a gradiend experiment",
        "description": "The settings of a run; `runs` and `matrix` make several runs of it.",
        "type": "object",
        "additionalProperties": False,
        "properties": {**keys, "runs": _runs(), "matrix": _matrix(settings, definitions)},
        "if": {"not": {"anyOf": [_not_empty("runs"), _not_empty("matrix")]}},
        "then": {"$ref": "#/$defs/complete"},
        "$defs": {**definitions, "complete": _complete(), "run": _run(keys)},
    }


def main() -> int:
    """Print the schema."""
    print(json.dumps(config_schema(), indent=2, ensure_ascii=False))
    return 0


def _part(schema: Schema) -> Schema:
    """A settings class without `required`, for a run gives only what it changes, and without titles.

    YAML reads `1e-4` as text, so such text is as good as a number.
    """
    whole = {key: value for key, value in schema.items() if key not in ("required", "title", "$defs")}
    return {**whole, "properties": {name: _value(inner) for name, inner in whole["properties"].items()}}


def _value(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_value(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _value(value) for key, value in schema.items() if key != "title"}
    if inner.get("type") != "number":
        return inner
    text = {"type": "string", "pattern": NUMBER, "description": "A number that YAML reads as text, such as 1e-4."}
    about = {key: inner.pop(key) for key in ("description", "default") if key in inner}
    return {"anyOf": [inner, text], **about}


def _short_forms(settings: Schema) -> Schema:
    """What may be written in another way: `model` as text, and null for what has a default."""
    text = {"type": "string", "minLength": 1, "description": "Its name."}
    nullable = ("target_classes", "training_arguments", "decoder", "shards")
    return {"model": _or(text, settings["model"]), **{name: _or(NULL, settings[name]) for name in nullable}}


def _or(other: Schema, schema: Schema) -> Schema:
    about: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    return {"anyOf": [{key: value for key, value in schema.items() if key not in about}, other], **about}


def _complete() -> Schema:
    """What a run needs."""
    arguments = {"required": ["training_arguments"]}
    in_arguments = {"required": ["experiment_dir"], "properties": {"experiment_dir": {"type": "string"}}}
    two = {"type": "object", "minProperties": 2, "maxProperties": 2}
    merged = {"required": ["class_merge_map"], "properties": {"class_merge_map": two}}
    classes = {"required": ["target_classes"], "properties": {"target_classes": {"type": "array"}}}
    return {
        "description": "Everything without a default is there.",
        "required": ["model", "data"],
        "properties": {
            "model": {"if": {"type": "object"}, "then": {"required": ["name"]}},
            "data": {"required": ["source"]},
        },
        "allOf": [
            {
                "anyOf": [
                    {"required": ["experiment_dir"]},
                    {**arguments, "properties": {"training_arguments": in_arguments}},
                ]
            },
            {"anyOf": [classes, {**arguments, "properties": {"training_arguments": merged}}]},
        ],
    }


def _run(keys: Schema) -> Schema:
    return {"type": ["object", "null"], "additionalProperties": False, "properties": keys}


def _runs() -> Schema:
    return {
        "description": "Run id: the settings that differ from those above, merged over them mapping by mapping.",
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{RUN_ID.pattern}$"},
        "additionalProperties": {"$ref": "#/$defs/run"},
    }


def _matrix(settings: Schema, definitions: Schema) -> Schema:
    values = {
        path: {"type": "array", "minItems": 1, "items": {"$ref": ref}} for path, ref in _paths(settings, definitions)
    }
    return {
        "description": "Setting (its path with dots): the values to try; every combination is a run.",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": values,
        "patternProperties": {r"\.(source|class_merge_map|feature_factors)\.": {"type": "array", "minItems": 1}},
    }


def _paths(
    settings: Schema, definitions: Schema, above: str = "", at: str = "#/$defs/run"
) -> Iterator[tuple[str, str]]:
    """The dotted path of every setting, and where its schema is."""
    for name, schema in settings.items():
        yield f"{above}{name}", f"{at}/properties/{name}"
        for owner in _owners(schema):
            yield from _paths(definitions[owner]["properties"], definitions, f"{above}{name}.", f"#/$defs/{owner}")


def _owners(schema: Schema) -> list[str]:
    """The settings classes that may stand at a setting."""
    options = [schema, *schema.get("anyOf", ())]
    return [option["$ref"].rsplit("/", 1)[-1] for option in options if "$ref" in option]


def _not_empty(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"type": "object", "minProperties": 1}}}


if __name__ == "__main__":
    sys.exit(main())
