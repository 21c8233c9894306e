"""One self-contained HTML page: answers, figures, tables. Nothing in it is fetched from anywhere."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from gradiend.report import tables_provenance
from gradiend.report.answers import alarm, answers
from gradiend.report.inline import inlined
from gradiend.report.inputs import Inputs
from gradiend.report.numbers import count, percent
from gradiend.report.sections import Section
from gradiend.report.sentences import models, sentences

SIGNS = {"yes": "✓", "partly": "≈", "no": "✗", "unsure": "?"}


def render(inputs: Inputs, parts: list[Section], svgs: Mapping[str, str], plots: str) -> str:
    """The page; `svgs` has the SVG text of each picture that has a figure, `plots` the folder with their files."""
    shown = [
        (part, [(picture, _shown(picture.name, picture.alt, svgs)) for picture in part.pictures]) for part in parts
    ]
    return page(
        "page.html",
        title=" vs ".join(inputs.target_classes),
        run=inputs.name,
        facts=_facts(inputs),
        alarm=alarm(inputs),
        answers=answers(inputs),
        sections=shown,
        models=models(inputs),
        sentences=sentences(inputs),
        plots=plots,
        config=tables_provenance.config_file(inputs),
        folder=inputs.folder,
        own_folder=tables_provenance.own_folder(inputs),
    )


def page(template: str, **content: Any) -> str:
    """A page made of one of the templates here, with style and script inlined, and nothing else allowed."""
    style, script = (Markup(_text(name)) for name in ("page.css", "page.js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(**content, style=style, script=script, allowed=allowed, signs=SIGNS)
    )


def _shown(name: str, alt: str, svgs: Mapping[str, str]) -> Markup | None:
    return Markup(inlined(svgs[name], alt, f"{list(svgs).index(name)}-")) if name in svgs else None


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


@cache
def _text(name: str) -> str:
    return files("gradiend.report").joinpath(name).read_text(encoding="utf-8")


def _facts(inputs: Inputs) -> list[tuple[str, str]]:
    """What the page is about, in a line."""
    config, total, whole = inputs.model_config, inputs.space.input_dim, inputs.entries
    return [
        ("base model", str(config["made_by"].get("base_model") or "unknown")),
        ("source → target", f"{config['source']} → {config['target']}"),
        ("kept entries", f"{count(total)} of {count(whole)} ({percent(total / max(1, whole))})"),
        ("selected seed", f"{inputs.selected} ({len(inputs.seed_report['seeds_tried'])} tried)"),
        ("results in", inputs.folder),
    ]
