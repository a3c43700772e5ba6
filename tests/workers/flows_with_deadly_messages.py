"""The flow `quick`, in a worker whose children can end while they enqueue the record of a message, before the
COMMIT."""

import os
import signal
from typing import Any

from billiard.pool import EX_RECYCLE

from tasks import enqueue_task
from tasks.worker.services import worker_services
from tests.workers import flows_under_test

quick = flows_under_test.quick
TRY = "INSERT INTO effects (record_id, claim_number) VALUES (%(n)s, 0)"
TRIES = "SELECT count(*) FROM effects WHERE record_id = %(n)s"

enqueue = enqueue_task.enqueue_by_message


def enqueue_or_die(cursor: Any, flow_name: str, record: Any, on_duplicate: Any) -> Any:
    """Each try leaves a row in `effects`. The payload says how many of the first tries end the process."""
    enqueued = enqueue(cursor, flow_name, record, on_duplicate)
    payload = record.payload
    with worker_services().database.transaction() as other:
        other.execute(TRY, payload)
        row = other.execute(TRIES, payload).fetchone()
    if row is not None and row[0] <= payload.get("killed", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if row is not None and row[0] <= payload.get("replaced", 0):
        os._exit(EX_RECYCLE)
    return enqueued


enqueue_task.enqueue_by_message = enqueue_or_die
