"""Reads the log of Postgres, and finds sessions that were ended without a reason. A valid reason is an injected fault,
a hostile handler, or the death of the session's run."""

import re
from typing import TYPE_CHECKING

from queue_store.queue_schema import server_wide_name
from tests.chaos.hostile import ENDS_ITSELF

if TYPE_CHECKING:
    from tests.chaos.world import World

ENDED = re.compile(
    r"^(?P<name>[^|\n]*)\|(?P<pid>\d+)\|FATAL:  terminating connection due to administrator command$",
    re.MULTILINE,
)
# Rescue logs this line if a silent run came back after rescue had ended the run's session.
CAME_BACK = re.compile(r"session (?P<pid>\d+) was ended because run \S+ was silent, but the run came back")
# Rescue ends the sessions of dead runs. A process whose handler does not stop ends its own sessions.
OF_THE_DEAD = """
SELECT DISTINCT w.pid FROM flow_execution_logs r JOIN worker_processes w USING (worker_process_id)
WHERE r.state = 'dead' OR r.error_message LIKE 'a handler did not stop%'
"""


def ended_innocents(world: "World") -> list[tuple[str, int]]:
    """Returns the application name and the process id of each session that was ended without a reason."""
    of_worker = re.compile(rf"{server_wide_name()} worker (\d+)")
    dead = {pid for (pid,) in world.query(OF_THE_DEAD)}
    logs = (log.read_text(errors="replace") for log in world.directory.glob("*.log"))
    came_back = {int(line["pid"]) for log in logs for line in CAME_BACK.finditer(log)}
    innocents: list[tuple[str, int]] = []
    for ended in ENDED.finditer(world.postgres.log.read_text(errors="replace")):
        worker = of_worker.fullmatch(ended["name"])
        is_of_the_dead = worker is not None and int(worker[1]) in dead
        is_known = int(ended["pid"]) in world.ended_by_faults | came_back
        has_reason = is_of_the_dead or ended["name"] == ENDS_ITSELF or is_known
        if not has_reason:
            innocents.append((ended["name"], int(ended["pid"])))
    return innocents
