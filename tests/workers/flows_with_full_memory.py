"""The flow `quick`, in a worker whose maintenance uses too much memory for at least two heartbeats."""

import time

from queue_store.database.manager import DatabaseManager
from tasks.monitoring import maintenance
from tasks.monitoring.databases import database_named
from tasks.worker.services import worker_services
from tests.workers import flows_under_test

quick = flows_under_test.quick
MEGABYTES = 400
HEARTBEAT = "SELECT heartbeat_at FROM worker_processes WHERE worker_process_id = %s"


def fill_memory() -> None:
    held = bytes([1]) * MEGABYTES * 2**20
    database = database_named()
    while not worker_services().is_full:
        time.sleep(0.01)
    for _ in range(2):
        before = heartbeat(database)
        while heartbeat(database) == before:
            time.sleep(0.01)
    del held


def heartbeat(database: DatabaseManager) -> object:
    with database.transaction() as cursor:
        row = cursor.execute(HEARTBEAT, (worker_services().process.worker_process_id,)).fetchone()
    return row and row[0]


maintenance.monthly_retention = fill_memory
