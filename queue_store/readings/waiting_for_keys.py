"""Flows in which every due record waits for an earlier record of its order_key."""

from collections.abc import Collection
from typing import Any

from psycopg import Cursor

from queue_store.database.index_plans import index_plans
from queue_store.database.statements import sql

KEY_LIMIT = 10_000
RECORD_LIMIT = 1_000
LEAST_RECORDS = 100


def read_flows_waiting_for_keys(cursor: Cursor[Any], flow_names: Collection[str]) -> set[str]:
    """Those of these flows in which no due record can be claimed, even by more workers. Each due record waits for an
    earlier record of its order_key, such as one that is retried later. A flow is left out if it is processing a record
    with an order_key, or if the search reaches its limit of keys. Three flows or more share twice that limit. Name only
    flows with due records."""
    if not flow_names:
        return set()
    share = min(1.0, 2 / len(flow_names))
    parameters = {
        "flow_names": list(flow_names),
        "key_limit": max(1, int(KEY_LIMIT * share)),
        "record_limit": max(LEAST_RECORDS, int(RECORD_LIMIT * share)),
    }
    with index_plans(cursor):
        rows = cursor.execute(sql("readings/flows_waiting_for_keys"), parameters).fetchall()
    return {row[0] for row in rows}
