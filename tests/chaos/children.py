"""Which pool child works on an express slice, or another transaction of a handler, just now."""

import re
import time

from queue_store.queue_schema import server_wide_name
from tests.chaos.world import World

LOOK_SECONDS = 0.5
IN_TRANSACTION = """
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction' ORDER BY xact_start DESC
"""


def child_in_a_slice(world: World) -> int | None:
    """None: none was seen within half a second."""
    of_worker = re.compile(rf"{server_wide_name()} worker (\d+)")
    deadline = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < deadline:
        for (name,) in world.query(IN_TRANSACTION):
            if (match := of_worker.fullmatch(name)) and world.is_child(int(match[1])):
                return int(match[1])
    return None
