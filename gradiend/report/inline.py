"""SVG files as elements of a page: no fixed size or colours, ids of their own, a label."""

import re
import xml.etree.ElementTree as ElementTree

from gradiend.plots import GRID, INK, PALE, PALETTE

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
# what the page has for each colour of the figures, in light and in dark
COLOURS = {INK: "ink", PALE: "soft", GRID: "line", "#ffffff": "card", "#f2f2f2": "page"} | {
    colour: f"colour-{place}" for place, colour in enumerate(PALETTE)
}
_VARIABLES = {colour.lower(): f"var(--{name})" for colour, name in COLOURS.items()}
_COLOUR = re.compile("|".join(map(re.escape, _VARIABLES)), re.IGNORECASE)


def inlined(svg: str, alt: str, prefix: str) -> str:
    """An SVG file's text as an element of an HTML page: an image with a label.

    Without namespaces and fixed size, and with its ids prefixed: ids of two figures on a page must differ. The
    figures' colours become the page's.
    """
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        element.attrib = {name.removeprefix(XLINK): _own(name, value, prefix) for name, value in element.items()}
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": alt}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _own(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name == f"{XLINK}href" and value.startswith("#"):
        return f"#{prefix}{value[1:]}"
    value = value.replace("url(#", f"url(#{prefix}")
    return _COLOUR.sub(lambda found: _VARIABLES[found[0].lower()], value) if name == "style" else value
