"""One self-contained HTML page: answers, figures, tables. Nothing in it is fetched from anywhere."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from gradiend.report import tables
from gradiend.report.answers import alarm, answers
from gradiend.report.inputs import Inputs
from gradiend.report.numbers import count, percent
from gradiend.report.pictures import Picture
from gradiend.report.tables import Table

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"


@dataclass(frozen=True)
class Group:
    """Tables under one heading; `anchor` is where a link leads. Those in `folded` open on a click."""

    anchor: str
    title: str
    tables: tuple[Table, ...]
    folded: tuple[Table, ...] = ()


def render(inputs: Inputs, pictures: list[Picture], svgs: Mapping[str, str]) -> str:
    """The page; `svgs` has the SVG text of each picture that has a figure, by its name."""
    return _template().render(
        title=" vs ".join(inputs.target_classes),
        facts=_facts(inputs),
        alarm=alarm(inputs),
        answers=answers(inputs),
        pictures=[(picture, _shown(picture, svgs, place)) for place, picture in enumerate(pictures)],
        groups=_groups(inputs),
        arguments=tables.arguments(inputs),
    )


def inlined(svg: str, alt: str, prefix: str) -> str:
    """An SVG file's text as an element of an HTML page: an image with a label.

    Without namespaces and fixed size, and with its ids prefixed: ids of two figures on a page must differ.
    """
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        element.attrib = {
            name.removeprefix(XLINK): _own_ids(name, value, prefix) for name, value in element.attrib.items()
        }
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": alt}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _own_ids(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name == f"{XLINK}href" and value.startswith("#"):
        return f"#{prefix}{value[1:]}"
    return value.replace("url(#", f"url(#{prefix}")


def _shown(picture: Picture, svgs: Mapping[str, str], place: int) -> str | None:
    return inlined(svgs[picture.name], picture.alt, f"figure{place}-") if picture.figure is not None else None


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("gradiend.report").joinpath("page.html").read_text(encoding="utf-8"))


def _facts(inputs: Inputs) -> list[tuple[str, str]]:
    """What the page is about, in a line."""
    config, total, whole = inputs.model_config, inputs.space.input_dim, inputs.entries
    return [
        ("base model", str(config["made_by"].get("base_model") or "unknown")),
        ("source → target", f"{config['source']} → {config['target']}"),
        ("kept entries", f"{count(total)} of {count(whole)} ({percent(total / max(1, whole))})"),
        ("selected seed", f"{inputs.selected} ({len(inputs.seed_report['seeds_tried'])} tried)"),
    ]


def _groups(inputs: Inputs) -> list[Group]:
    head = [Group("mlm_head", "Right-context head", (tables.mlm_head(inputs.mlm_head),))] if inputs.mlm_head else []
    return [
        Group("warnings", "Warnings", (tables.warnings(inputs),)),
        *head,
        Group("seeds", "Seeds", (tables.seeds(inputs),)),
        Group("encoder", "Encoder", (tables.scores(inputs), tables.encoded_values(inputs))),
        Group("decoder", "Decoder", (tables.choices(inputs), tables.probabilities(inputs), tables.rewritten(inputs))),
        Group("data", "Data", (tables.examples(inputs), tables.surface_forms(inputs), tables.dropped(inputs))),
        Group(
            "provenance",
            "Provenance",
            (tables.provenance(inputs), tables.times(inputs)),
            (tables.kept_entries(inputs),),
        ),
    ]
