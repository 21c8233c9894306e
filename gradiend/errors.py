"""The one exception that a user is meant to see, and the hint that names the nearest right value."""

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches


class GradiendError(Exception):
    """A mistake in the user's input, in one line: where it is, the value, and what would be right."""


def visible(text: str) -> str:
    """The text on one line, with what cannot be seen, such as zero-width characters, written as `\\u200b`."""
    line = re.sub(r"[ \t\n\r\f\v]+", " ", text)
    return "".join(one if one.isprintable() else one.encode("unicode-escape").decode() for one in line)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to `name`, None where none is near."""
    folded = {_composed(choice).casefold(): str(choice) for choice in known}
    found = get_close_matches(_composed(name).casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the known name nearest to `name`, else a list of what is known; on one line."""
    names = [str(choice) for choice in known]
    near = nearest(name, names)
    if near is not None:
        alike = near != name and _composed(near) == _composed(name)
        return f" (did you mean '{visible(near)}'{', which is written with other code points' if alike else ''}?)"
    shown = ", ".join(map(visible, names[:12])) + (", ..." if len(names) > 12 else "")
    return f" (known: {shown})" if names else ""


def _composed(name: str) -> str:
    """With one code point for a letter and its accent, where there is one: text that looks alike is then the same."""
    return unicodedata.normalize("NFC", str(name))
