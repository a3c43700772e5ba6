"""Finds the known name that resembles a wrong name, for error messages."""

import difflib
from collections.abc import Iterable

LONGEST = 255  # only so many characters are compared, because the time grows with the length


def closest(name: str, known: Iterable[str], similarity: float = 0.6) -> str | None:
    """The known name that resembles `name` most closely; None if no known name is similar enough. Upper and lower case
    count as the same."""
    by_lower = {known_name.lower(): known_name for known_name in known}
    found = difflib.get_close_matches(name.lower()[:LONGEST], by_lower, 1, similarity)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str | None) -> str:
    """The suggestion, as the end of an error message; empty if `name` is None."""
    return f"; did you mean {name}?" if name else ""
