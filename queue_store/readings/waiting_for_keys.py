"""Flows in which every due record waits for an earlier record of its order_key."""

from collections.abc import Collection
from typing import Any

from psycopg import Cursor
from psycopg.errors import QueryCanceled

from queue_store.database.bounded_read import within
from queue_store.database.index_plans import index_plans
from queue_store.database.statements import sql

KEY_LIMIT = 10_000
RECORD_LIMIT = 20_000
LEAST_RECORDS = 100
GRACE_SECONDS = 60.0
SEARCH_SECONDS = 1.0


def read_flows_waiting_for_keys(
    cursor: Cursor[Any], flow_names: Collection[str], *, grace_seconds: float
) -> set[str]:
    """Returns the given flows in which no due record can be claimed, even by more workers. Each due record waits for an
    earlier record of its order_key, such as one that is retried later. A flow is left out if it is processing a record
    with an order_key. A record that can be claimed keeps its flow out of the result only if it became due at least
    `grace_seconds` ago. A record that is being processed does so only if it became due or was claimed at least
    `grace_seconds` ago. Without this grace, a flow whose records are retried or snoozed again and again would be in the
    result of one call, and not in that of the next.

    A flow is also left out if the search reaches a limit of keys or records. Three flows or more share twice these
    limits. If the search takes longer than SEARCH_SECONDS, the result is empty. Name only flows with due records."""
    if not flow_names:
        return set()
    share = min(1.0, 2 / len(flow_names))
    parameters = {
        "flow_names": list(flow_names),
        "grace_seconds": grace_seconds,
        "key_limit": max(1, int(KEY_LIMIT * share)),
        "record_limit": max(LEAST_RECORDS, int(RECORD_LIMIT * share)),
    }
    try:
        with within(cursor, SEARCH_SECONDS), index_plans(cursor):
            rows = cursor.execute(sql("readings/flows_waiting_for_keys"), parameters).fetchall()
    except QueryCanceled:
        return set()
    return {row[0] for row in rows}
