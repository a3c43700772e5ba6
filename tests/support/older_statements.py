"""Rewrites statements into the form that they would have without the views and functions that shorten them."""

import re

SCHEMA = rb'(?:(?:public|"\w+")\.)?'  # the queue's schema, which today's statements name
HINT = re.compile(SCHEMA + rb"\bunindexed\(([\w.]+)\)")
ASKS_WHETHER_ONE_RUNS = re.compile(
    rb"\s+AND NOT EXISTS \(\s+SELECT FROM " + SCHEMA + rb"processing_queue running.+?OFFSET 0\)", re.DOTALL
)
BLOCKS_KEY = re.compile(SCHEMA + rb"blocks_key\((\w+)\.status, (\(SELECT .+?\)|[\w.]+|%\(\w+\)s)\)")
IS_UNBLOCKED = b"""(q.order_key IS NULL OR (
    NOT EXISTS (
        SELECT FROM processing_queue earlier
        WHERE earlier.flow_name = q.flow_name AND earlier.order_key = q.order_key AND earlier.id < q.id
            AND blocks_key(earlier.status, (SELECT f.failure_blocks_key FROM flows f WHERE f.flow_name = q.flow_name)))
    AND NOT EXISTS (
        SELECT FROM running_keys running
        WHERE running.flow_name = q.flow_name AND running.order_key = q.order_key OFFSET 0)))"""


def before_unindexed(statement: bytes) -> bytes:
    """Replaces each call of `unindexed` with the expression that this function stands for."""
    return HINT.sub(rb"\1 || ''", statement)


def before_unblocked_records(statement: bytes) -> bytes:
    """Writes out the condition under which a record with an order key may be claimed."""
    older = re.sub(
        rb"FROM " + SCHEMA + rb"unblocked_records q\s+WHERE",
        b"FROM processing_queue q WHERE " + IS_UNBLOCKED + b" AND",
        statement,
    )
    older = BLOCKS_KEY.sub(
        rb"\1.status IN ('pending', 'processing', 'failed') AND (\1.status <> 'failed' OR \2)", older
    )
    older = re.sub(
        rb"FROM " + SCHEMA + rb"running_keys running\s+WHERE",
        b"FROM processing_queue running WHERE unindexed(running.status) = 'processing' AND",
        older,
    )
    declared = b"coalesce((f.declared ->> 'failure_blocks_key')::boolean, false)"
    older = older.replace(b"SELECT f.failure_blocks_key", b"SELECT " + declared + b" AS failure_blocks_key")
    return older.replace(b"f.failure_blocks_key", declared)


def before_one_of_a_key(statement: bytes) -> bytes:
    """Changes the statement as `before_unblocked_records` does. Also removes the check whether another record with the
    same key is processing."""
    older, count = ASKS_WHETHER_ONE_RUNS.subn(b"", before_unblocked_records(statement))
    assert count
    return older
