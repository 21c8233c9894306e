"""What several runs have in common, as figures of the index: titles, captions with numbers, SVG."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from gradiend.report.inline import inlined
from gradiend.report.numbers import count, score

LARGEST = 600_000  # characters of a figure that is shown and not only linked
TITLES = {
    "overlap": "Entries in common",
    "cosine": "Do the decoders point the same way?",
    "cross_encoding": "Does an encoder read the examples of other runs?",
    "layers": "Where the weights of each run lie",
    "shared_top": "Which runs share the top entries",
    "shared_kept": "Which runs share the kept entries",
}  # in the order in which they are shown
CAPTIONS = {
    "overlap": "Share of the {k} entries with the largest decoder weights that two runs have in common: {top_overlap}.",
    "cosine": "Cosine of the directions that strengthen the first class of each run: {cosine}. 0: nothing in common, "
    "1: the same, \N{MINUS SIGN}1: the opposite.",
    "cross_encoding": "Correlation of the encoder of one run with the labels of another run's test examples; in the "
    "diagonal its own.",
    "layers": "Share of the squared decoder weights by layer and by component.",
    "shared_top": "How many of the {k} entries with the largest decoder weights are in just these runs.",
    "shared_kept": "How many kept entries are in just these runs.",
}


@dataclass(frozen=True)
class Shown:
    """A figure: its title, caption and file, and its SVG unless that is too large for the page."""

    title: str
    caption: str
    link: str
    svg: Markup | None


def shown_figures(
    comparison: Mapping[str, Any], svgs: Mapping[str, str], links: Mapping[str, str]
) -> tuple[list[Shown], list[str]]:
    """The figures of all groups of runs, and who is left out, in words; `svgs` and `links` are by name."""
    groups = comparison["groups"]
    found = [_shown(name, own, len(groups) > 1, svgs, links) for own in groups for name in _ordered(own["figures"])]
    left_out = [f"{run}: {reason}" for run, reason in comparison["left_out"].items()]
    left_out += [f"{run}: {why}" for own in groups for run, why in own["without_decoder"].items()]
    left_out += [f"{run}: {why}" for own in groups for run, why in own["without_encoder"].items()]
    return found, left_out


def _shown(
    name: str, group: Mapping[str, Any], several: bool, svgs: Mapping[str, str], links: Mapping[str, str]
) -> Shown:
    kind = _kind(name)
    title = f"{TITLES[kind]}: {group['base_model']}" if several else TITLES[kind]
    words = {key: _in_words(group[key]) for key in ("top_overlap", "cosine")}
    caption = CAPTIONS[kind].format(k=count(group["k"]), **words)
    svg = svgs[name]
    inside = Markup(inlined(svg, f"{title}. {caption}", f"{name}-")) if len(svg) <= LARGEST else None
    return Shown(title, caption, links[name], inside)


def _ordered(names: list[str]) -> list[str]:
    kinds = list(TITLES)
    return sorted(names, key=lambda name: kinds.index(_kind(name)))


def _kind(name: str) -> str:
    """What a figure shows, without the number of its base model."""
    return re.sub(r"-\d+$", "", name)


def _in_words(pairs: Mapping[str, Any]) -> str:
    if pairs["mean"] is None:
        return "not known"
    return f"mean over pairs {score(pairs['mean'])}, from {score(pairs['lowest'])} to {score(pairs['highest'])}"
