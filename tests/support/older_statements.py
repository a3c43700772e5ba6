"""Statements as they were before a migration made others of them."""

import re

HINT = re.compile(rb"\bunindexed\(([\w.]+)\)")
ASKS_WHETHER_ONE_RUNS = re.compile(
    rb"\s+AND NOT EXISTS \(\s+SELECT FROM processing_queue running.+?OFFSET 0\)", re.DOTALL
)


def before_unindexed(statement: bytes) -> bytes:
    """Before migration 0010: the hint to the planner had no name."""
    return HINT.sub(rb"\1 || ''", statement)


def before_one_of_a_key(statement: bytes) -> bytes:
    """Before migration 0009: nobody asked whether another record of the key runs."""
    older, count = ASKS_WHETHER_ONE_RUNS.subn(b"", statement)
    assert count
    return older
