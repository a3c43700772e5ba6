"""Recurring flows: what is due becomes a record. Level-triggered: whoever looks, whenever, there is exactly one record
for each occurrence. `fan_out` looks every few seconds, and idle worker processes do, so that no beat is needed."""

import logging
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from queue_store import recurring
from queue_store.database_manager import DatabaseManager
from queue_store.payload import encode_json
from queue_store.settings import ProcessorSettings
from tasks.declaration import SCHEDULE_PAYLOAD_LIMIT_BYTES
from tasks.flow import Flow
from tasks.schedule.due_time import latest_due

logger = logging.getLogger(__name__)


def enqueue_due(database: DatabaseManager, flows: Iterable[Flow], settings: ProcessorSettings) -> list[int]:
    """Returns the ids of the new records. Times are of the setting TIMEZONE."""
    ids: list[int] = []
    for flow in flows:
        if flow.schedule is None:
            continue
        with database.transaction() as cursor:
            now = recurring.database_time(cursor)
            due_at = latest_due(flow.schedule, now, ZoneInfo(settings.timezone))
            if due_at is not None:
                payload = {} if flow.schedule_payload is None else flow.schedule_payload
                encoded = encode_json(payload, SCHEDULE_PAYLOAD_LIMIT_BYTES, "schedule_payload")
                ids.append(recurring.enqueue_occurrence(cursor, flow.name, due_at, encoded) or 0)
    return [record_id for record_id in ids if record_id]
