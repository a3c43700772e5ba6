"""Statements as they were before the newest migration made others of them."""

import re

ASKS_WHETHER_ONE_RUNS = re.compile(
    rb"\s+AND NOT EXISTS \(\s+SELECT FROM processing_queue running.+?OFFSET 0\)", re.DOTALL
)


def before_one_of_a_key(statement: bytes) -> bytes:
    """Before migration 0009: nobody asked whether another record of the key runs."""
    older, count = ASKS_WHETHER_ONE_RUNS.subn(b"", statement)
    assert count
    return older
