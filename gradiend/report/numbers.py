"""Numbers as people read them: sensible digits, a true minus sign, and a dash for what is not known."""

import math
from collections.abc import Sequence
from typing import Any

UNKNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SMALLEST_P = 1 / 1001  # of 1,000 permutations


def known(value: Any) -> float | None:
    """The value as a float; None where it is None, NaN or infinite."""
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def number(value: Any, digits: int = 3) -> str:
    """Significant digits, for numbers of any size."""
    found = known(value)
    return UNKNOWN if found is None else _minus(f"{found:.{digits}g}")


def count(value: Any) -> str:
    """A whole number with separators for the thousands."""
    found = known(value)
    return UNKNOWN if found is None else _minus(f"{round(found):,}")


def score(value: Any) -> str:
    """A correlation, an encoded value or another number in [-1, 1], with three decimals.

    What is not quite 1 is never rounded to 1.
    """
    found = known(value)
    if found is None:
        return UNKNOWN
    if 0.9995 <= abs(found) < 1:
        return "> 0.999" if found > 0 else _minus("< -0.999")
    return _minus(f"{found:.3f}")


def change(value: Any) -> str:
    """A difference of scores, with its sign."""
    shown = score(value)
    return f"+{shown}" if (known(value) or 0) > 0 and shown[0].isdigit() and shown != "0.000" else shown


def signed(value: Any, digits: int = 3) -> str:
    """Significant digits, with the sign."""
    shown = number(value, digits)
    return f"+{shown}" if (known(value) or 0) > 0 else shown


def probability(value: Any) -> str:
    """Three decimals, four where it is below 0.01; very small ones as such."""
    found = known(value)
    if found is None:
        return UNKNOWN
    if 0 < found < 0.0001:
        return "< 0.0001"
    return f"{found:.4f}" if 0 < found < 0.01 else score(found)


def percent(value: Any, digits: int = 3) -> str:
    """A share as a percentage."""
    found = known(value)
    return UNKNOWN if found is None else f"{number(100 * found, digits)} %"


def interval(bounds: Sequence[Any] | None) -> str:
    """`[lo, hi]`."""
    return UNKNOWN if bounds is None else f"[{score(bounds[0])}, {score(bounds[1])}]"


def p_value(value: Any) -> str:
    """`p = 0.02`, or `p ≤ 0.001` where no permutation did as well."""
    found = known(value)
    if found is None:
        return UNKNOWN
    return "p ≤ 0.001" if found <= SMALLEST_P * 1.0001 else f"p = {found:.2g}"


def duration(seconds: Any) -> str:
    """Seconds, minutes or hours, two units at most."""
    found = known(seconds)
    if found is None:
        return UNKNOWN
    if found < 60:
        return f"{found:.1f} s"
    minutes, rest = divmod(round(found), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def arrow(before: str, after: str) -> str:
    """What was, and what it became."""
    return f"{before} → {after}"


def _minus(text: str) -> str:
    """With a true minus sign, but none before a zero."""
    if text.startswith("-"):
        return MINUS + text[1:] if set(text) & set("123456789") else text[1:]
    return text.replace("< -", f"< {MINUS}")
