"""Enqueues a record for the latest due occurrence of each recurring flow. Any process may call `enqueue_due` at any
time: no occurrence gets more than one record. `fan_out` calls `enqueue_due` every few seconds. Idle worker processes
also call `enqueue_due`, so that no beat is needed."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from zoneinfo import ZoneInfo

from celery.schedules import crontab, schedule as interval

from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from queue_store.records.payload import encode_json
from queue_store.schedule import recurring
from queue_store.settings import ProcessorSettings

from ..authoring.declaration import SCHEDULE_PAYLOAD_LIMIT_BYTES
from ..authoring.flow import Flow
from .due_time import latest_due

logger = logging.getLogger(__name__)


def enqueue_due(
    database: DatabaseManager,
    flows: Iterable[Flow],
    settings: ProcessorSettings,
    ahead: timedelta = timedelta(0),
) -> list[int]:
    """Returns the ids of the new records. The schedules use the time zone of the setting TIMEZONE. If one flow
    cannot be enqueued, the other flows are still enqueued. Raises DatabaseUnavailableError. `ahead`: for tests, how far
    the time of the schedules is ahead of the database's time."""
    ids: list[int | None] = []
    for flow in flows:
        if flow.schedule is None:
            continue
        try:
            ids.append(_enqueue_due(database, flow, flow.schedule, settings, ahead))
        except DatabaseUnavailableError:
            raise
        except Exception:
            logger.exception("the flow %s is due by its schedule, but no record could be enqueued", flow.name)
    return [record_id for record_id in ids if record_id is not None]


def _enqueue_due(
    database: DatabaseManager,
    flow: Flow,
    schedule: crontab | interval,
    settings: ProcessorSettings,
    ahead: timedelta,
) -> int | None:
    with database.transaction() as cursor:
        now = recurring.database_time(cursor) + ahead
        due_at = latest_due(schedule, now, ZoneInfo(settings.timezone))
        if due_at is None:
            return None
        payload = {} if flow.schedule_payload is None else flow.schedule_payload
        if flow.payload_type is not None:
            encoded = flow.payload_type.encode(payload)
        else:
            encoded = encode_json(payload, SCHEDULE_PAYLOAD_LIMIT_BYTES, "schedule_payload")
        return recurring.enqueue_occurrence(cursor, flow.name, due_at, encoded)
