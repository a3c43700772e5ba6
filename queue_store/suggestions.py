"""The known name that a wrong name resembles, for error messages."""

import difflib
from collections.abc import Iterable

LONGEST = 255  # the time to compare grows with the length


def closest(name: str, known: Iterable[str], similarity: float = 0.6) -> str | None:
    """Ignores the difference between upper and lower case."""
    by_lower = {known_name.lower(): known_name for known_name in known}
    found = difflib.get_close_matches(name.lower()[:LONGEST], by_lower, 1, similarity)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str | None) -> str:
    """The end of an error message with the suggestion; empty for None."""
    return f"; did you mean {name}?" if name else ""
