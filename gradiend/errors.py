"""The one exception that a user is meant to see, and the hint that names the nearest right value."""

from collections.abc import Iterable
from difflib import get_close_matches


class GradiendError(Exception):
    """A mistake in the user's input, in one line: where it is, the value, and what would be right."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to `name`, None where none is near."""
    folded = {str(choice).casefold(): str(choice) for choice in known}
    found = get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the known name nearest to `name`, else a list of what is known; on one line."""
    names = [" ".join(str(choice).split()) for choice in known]
    near = nearest(name, names)
    if near is not None:
        return f" (did you mean '{near}'?)"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f" (known: {shown})" if names else ""
