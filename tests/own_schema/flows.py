"""Flows whose handlers note which queue they work for."""

from typing import Any

from sqlalchemy import Connection

from queue_store.queue_schema import queue_schema
from tasks import FlowContext, flow

INSERT = """
INSERT INTO effects (record_id, queue_of_record, queue_of_worker, search_path)
VALUES (%(record_id)s, %(queue_of_record)s, %(queue_of_worker)s, current_setting('search_path'))
"""


@flow(batch_size=5)
def mark(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
    effect = {
        "record_id": context.record_id,
        "queue_of_record": payload["queue"],
        "queue_of_worker": queue_schema(),
    }
    connection.exec_driver_sql(INSERT, effect)


@flow(queue="slow")
def mark_slowly(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
    mark(payload, connection, context)


@flow(max_retries=0)
def never(payload: dict[str, Any]) -> None:
    raise ValueError("never")
