"""Formats a count with the right form of its noun and verb: '1 record is', '2 records are', '1,000 records are'."""


def plural(count: int, noun: str = "record", many: str | None = None) -> str:
    """`many`: the plural form of the noun; by default, the noun followed by an s."""
    return f"{count:,} {word(count, noun, many or f'{noun}s')}"


def word(count: int, one: str, many: str) -> str:
    """Returns the form of a noun or verb that fits the count."""
    return one if count == 1 else many
