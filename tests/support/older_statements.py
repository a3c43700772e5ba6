"""Statements as they were before a migration made others of them."""

import re

HINT = re.compile(rb"\bunindexed\(([\w.]+)\)")
ASKS_WHETHER_ONE_RUNS = re.compile(
    rb"\s+AND NOT EXISTS \(\s+SELECT FROM processing_queue running.+?OFFSET 0\)", re.DOTALL
)


UNFINISHED = re.compile(
    rb"\n        unfinished_claims = (0|least\(.+?\)),"
    rb"|, unfinished_claims = 0"
    rb"|\n    leaves_unfinished = %\(leaves_unfinished\)s,"
    rb"|,\n        \(r\.died_running OR r\.leaves_unfinished\)::integer AS unfinished"
    rb"|\n        gone\.unfinished = 1 .+? AS endless,\n        q\.unfinished_claims .+? AS isolated,"
    rb"|\n        o\.endless AND NOT gone\.died_running .+? gone\.unfinished,"
)
RENAMED = (
    (b"o.endless OR gone.died", b"gone.died"),
    (b"j.struck OR j.isolated", b"j.struck"),
    (b"j.ended_itself", b"false"),
)


def before_unfinished_claims(statement: bytes) -> bytes:
    """Before migration 0012: nobody counted the claims without an outcome."""
    older = UNFINISHED.sub(b"", statement)
    for today, before in RENAMED:
        older = older.replace(today, before)
    return older


def before_unindexed(statement: bytes) -> bytes:
    """Before migration 0010: the hint to the planner had no name."""
    return HINT.sub(rb"\1 || ''", statement)


def before_one_of_a_key(statement: bytes) -> bytes:
    """Before migration 0009: nobody asked whether another record of the key runs."""
    older, count = ASKS_WHETHER_ONE_RUNS.subn(b"", statement)
    assert count
    return older
