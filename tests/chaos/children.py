"""Finds a pool child that is working on an express slice."""

import re
import time

from queue_store.queue_schema import server_wide_name
from tests.chaos.world import World

LOOK_SECONDS = 1.0
# Recognises a session by its last statement. While a slice of plain handlers runs, that statement is slice_mark.sql. In
# a one-COMMIT flow, it writes an effect.
IN_A_SLICE = """
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'
    AND (query LIKE '%%pg_current_xact_id_if_assigned%%' OR query LIKE 'INSERT INTO effects%%')
ORDER BY query LIKE 'INSERT%%', xact_start DESC
"""


def child_in_a_slice(world: World) -> int | None:
    """Returns a child's process id, or None if no child was seen in a slice within a second."""
    of_worker = re.compile(rf"{server_wide_name()} worker (\d+)")
    children = {pid for worker in world.workers for pid in world.pool_children(worker)}
    deadline = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < deadline:
        for (name,) in world.query(IN_A_SLICE, {}):
            if (match := of_worker.fullmatch(name)) and int(match[1]) in children:
                return int(match[1])
    return None
