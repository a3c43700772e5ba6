"""The database sessions in which a run has a transaction open. Rescue ends the sessions of a dead run, because they
hold locks.

Each transaction of a run holds an advisory lock until the transaction ends. This lock identifies the session. A stored
process id would not identify the session: behind a pooler, the session of an earlier transaction may belong to another
client by now.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncCursor, Cursor

from queue_store.database.held_connection import HeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import ConflictError

LOCK_CLASS = 0x70717275  # the upper half of the lock's key, `classid` in pg_locks; the lower half is the run
TERMINATE_TIMEOUT_MILLISECONDS = 2_000
SHORT_WAIT = {"lock_timeout": "50ms"}  # for a wait during which the run's heartbeats or outcomes wait, too

logger = logging.getLogger(__name__)


def session_lock(flow_instance_id: UUID) -> int:
    """The key of the run's advisory lock. Transactions of the run take the lock in shared mode, so that two runs with
    equal keys do not wait for each other. To take it in exclusive mode means to wait for these transactions."""
    return LOCK_CLASS << 32 | flow_instance_id.int >> 96


def run_parameters(flow_instance_id: UUID) -> dict[str, Any]:
    """The parameters of every statement that begins a transaction of a run."""
    return {"flow_instance_id": flow_instance_id, "session_lock": session_lock(flow_instance_id)}


def are_over(
    transactions: HeldConnection | DatabaseManager, run: Mapping[str, Any], lock_timeout: Mapping[str, str]
) -> bool:
    """Waits for the end of the transactions that other sessions have open for this run, but not for longer than
    `lock_timeout`. Returns whether they are over. `transactions`: begins the transaction that waits. `run`: the run's
    parameters. Raises DatabaseUnavailableError."""
    try:
        with transactions.transaction() as cursor:
            cursor.execute(sql("runs/wait_shortly"), lock_timeout)
            cursor.execute(sql("runs/await_transactions"), run)
    except ConflictError:
        return False
    return True


def find_sessions(cursor: Cursor[Any], flow_instance_id: UUID) -> list[int]:
    """The process ids of the server's sessions that work for the run at this moment."""
    rows = cursor.execute(sql("liveness/sessions_of_run"), run_parameters(flow_instance_id)).fetchall()
    return [row[0] for row in rows]


def terminate_sessions(
    cursor: Cursor[Any], flow_instance_id: UUID, lease_seconds: float | None = None
) -> list[int]:
    """End the sessions that `find_sessions` finds, and return their process ids. With `lease_seconds`, sessions are
    ended only if the run has sent no heartbeat for that long. Raises InsufficientPrivilege."""
    parameters = {"lease_seconds": lease_seconds, "timeout_milliseconds": TERMINATE_TIMEOUT_MILLISECONDS}
    rows = cursor.execute(sql("liveness/terminate_sessions"), run_parameters(flow_instance_id) | parameters)
    return [row[0] for row in rows.fetchall()]


def warn_of_ended_sessions(flow_instance_id: UUID, backend_pids: Iterable[int]) -> None:
    """Call this if sessions were ended although the run is alive. For example, the run's own transaction may have
    delayed the run's heartbeat."""
    for backend_pid in backend_pids:
        logger.warning(
            "session %d was ended because run %s was silent, but the run came back: it writes its outcomes again",
            backend_pid, flow_instance_id,
        )  # fmt: skip


async def is_alive(cursor: AsyncCursor[Any], flow_instance_id: UUID) -> bool:
    """Returns False if the run was declared dead or has ended."""
    await cursor.execute(sql("runs/run_alive"), {"flow_instance_id": flow_instance_id})
    return await cursor.fetchone() is not None
