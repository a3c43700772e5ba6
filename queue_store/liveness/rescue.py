"""Rescue gives back the records of owners that are gone.

Rescue is level-triggered: nobody has to report a death. Rescue looks again and again for runs that were silent for
longer than the lease, and for runs that are over but have records left. Several processes may rescue at the same time.
Every step is one transaction, and does nothing if it is repeated.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg import Cursor
from psycopg.errors import InsufficientPrivilege
from psycopg.types.json import Jsonb

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import ConflictError
from queue_store.liveness.own_heartbeat import OwnHeartbeat
from queue_store.liveness.rescued import Rescued
from queue_store.plural import plural
from queue_store.runs.sessions import find_sessions, terminate_sessions, warn_of_ended_sessions
from queue_store.settings import ProcessorSettings

RUNS_AT_ONCE = 20
RECORDS_AT_ONCE = 1_000
SHOWN_IDS = 20
LOOK_AGAIN_SECONDS = 5.0
NOTHING_IN_FLIGHT = 0  # in place of a record's id: the dead process was between two records

logger = logging.getLogger(__name__)


class _TooLateError(Exception):
    """Rolls back a judgement: when the database answered, the judging process had itself been silent for too long."""


class Rescue:
    def __init__(self, database: DatabaseManager, settings: ProcessorSettings) -> None:
        self._database = database
        self._settings = settings
        self.own_heartbeat = OwnHeartbeat(settings.lease_seconds, settings.heartbeat_seconds)
        self._looked_at = 0.0

    def look_when_due(self) -> Rescued:
        """Call this in a process that found nothing to claim. However often it is called, it calls `sweep` at most once
        in LOOK_AGAIN_SECONDS."""
        is_due = time.monotonic() >= self._looked_at + LOOK_AGAIN_SECONDS
        return self.sweep() if is_due else Rescued()

    def sweep(self) -> Rescued:
        """Declare runs and worker processes dead if they were silent for longer than the lease, unless this process was
        itself silent recently. Give back the records of at most RUNS_AT_ONCE runs that are over. Cancel the records
        that were given back while a request to cancel them was being written."""
        self._looked_at = time.monotonic()
        rescued = Rescued()
        lease = self._settings.lease_seconds
        self._declare_dead("liveness/silent_runs", {"lease_seconds": lease}, {}, rescued, lease)
        self._declare_worker_processes_dead([], rescued)
        self._give_back(rescued)
        self._cancel_requested(rescued)
        return rescued

    def lost(
        self, worker_process_ids: Sequence[UUID], records_in_flight: Mapping[UUID, int] | None = None
    ) -> Rescued:
        """For worker processes that are known to be gone: declare them and their runs dead without waiting for the
        lease. Then give back the records of at most RUNS_AT_ONCE runs that are over. `records_in_flight`: the record
        that each process was working on, or NOTHING_IN_FLIGHT. If a process has no entry, its record is unknown."""
        rescued = Rescued()
        for worker_process_id in worker_process_ids:
            in_flight = (records_in_flight or {}).get(worker_process_id)
            parameters: dict[str, object] = {"worker_process_ids": [worker_process_id]}
            self._declare_dead("liveness/lost_runs", parameters, {"suspect_record_id": in_flight}, rescued)
        self._declare_worker_processes_dead(worker_process_ids, rescued)
        self._give_back(rescued)
        return rescued

    def sweep_overdue(self, orphan_timeout_seconds: float | None = None) -> Rescued:
        """Give back records whose run has no row, or whose claim is too old. A claim is too old when it is older than
        both the orphan timeout (default: CLEANUP_TIMEOUT_HOURS) and the flow's own limit. This method reads every
        processing record, so do not call it every second. The log and the audit log get the number and the first ids of
        the records that were given back."""
        timeout = orphan_timeout_seconds or self._settings.cleanup_timeout_hours * 3600
        rescued = Rescued()
        while True:
            with self._database.transaction() as cursor:
                rows = cursor.execute(
                    sql("arrows/rescue_overdue"),
                    {
                        "orphan_timeout_seconds": timeout,
                        "limit": RECORDS_AT_ONCE,
                        "max_unfinished_claims": self._settings.max_unfinished_claims,
                    },
                ).fetchall()
                self._note_overdue(cursor, [record_id for record_id, _ in rows])
            for record_id, status in rows:
                (rescued.cancelled_ids if status == "cancelled" else rescued.pending_ids).append(record_id)
            if len(rows) < RECORDS_AT_ONCE:
                return rescued

    def _note_overdue(self, cursor: Cursor[Any], record_ids: list[int]) -> None:
        """A record is overdue only if somebody changed the tables by hand, or if a run has held it for longer than the
        timeout."""
        if not record_ids:
            return
        shown = ", ".join(map(str, record_ids[:SHOWN_IDS])) + (" …" if len(record_ids) > SHOWN_IDS else "")
        logger.warning(
            "gave back %s, whose run has no row or whose claim is older than the orphan timeout: %s",
            plural(len(record_ids)),
            shown,
        )
        parameters = {
            "actor": "rescue",
            "action": "rescue overdue",
            "target": f"records {shown}",
            "affected_count": len(record_ids),
            "details": Jsonb({}),
        }
        cursor.execute(sql("operators/audit"), parameters)

    def _declare_dead(
        self,
        statement: str,
        parameters: dict[str, object],
        death: dict[str, object],
        rescued: Rescued,
        lease_seconds: float | None = None,
    ) -> None:
        with self._database.transaction() as cursor:
            runs = cursor.execute(sql(statement), parameters).fetchall()
        # Check only now: while the statement waited for the database, this process may have been silent for too long.
        if lease_seconds is not None and not self.own_heartbeat.may_judge:
            return
        for (flow_instance_id,) in runs:
            try:
                # End the sessions first: an open transaction of a frozen process locks the records that are rescued
                # next.
                ended = self._terminate_sessions(flow_instance_id, lease_seconds, rescued)
                is_dead = self._declare_run_dead(flow_instance_id, lease_seconds, death, rescued)
                if not is_dead:
                    warn_of_ended_sessions(flow_instance_id, ended)
            except ConflictError as error:  # an error of one run must not delay the others
                logger.warning("run %s will be declared dead at the next sweep: %s", flow_instance_id, error)

    def _terminate_sessions(
        self, flow_instance_id: UUID, lease_seconds: float | None, rescued: Rescued
    ) -> list[int]:
        try:
            with self._database.transaction() as cursor:
                return terminate_sessions(cursor, flow_instance_id, lease_seconds)
        except InsufficientPrivilege:
            with self._database.transaction() as cursor:
                still_open = find_sessions(cursor, flow_instance_id)
            rescued.open_sessions += still_open
            for backend_pid in still_open:
                logger.error(
                    "this login may not end session %d of a dead run, so the session keeps its locks until it ends: "
                    "let all workers log in as one role, or run SELECT pg_terminate_backend(%d) as a superuser",
                    backend_pid, backend_pid,
                )  # fmt: skip
            return []

    def _declare_run_dead(
        self, flow_instance_id: UUID, lease_seconds: object, death: dict[str, object], rescued: Rescued
    ) -> bool:
        reason = "its process is gone" if lease_seconds is None else "was silent for longer than the lease"
        parameters = {
            "suspect_record_id": None,
            "flow_instance_id": flow_instance_id,
            "lease_seconds": lease_seconds,
            "error_message": reason,
        }
        parameters |= death
        with self._database.transaction() as cursor:
            if parameters["suspect_record_id"] == NOTHING_IN_FLIGHT and not self._suspect_alone(
                cursor, flow_instance_id
            ):
                parameters["suspect_record_id"] = None
            is_dead = cursor.execute(sql("liveness/declare_run_dead"), parameters).fetchone() is not None
        if is_dead:
            rescued.dead_run_ids.append(flow_instance_id)
        return is_dead

    def _suspect_alone(self, cursor: Cursor[Any], flow_instance_id: UUID) -> bool:
        parameters = {"flow_instance_id": flow_instance_id}
        return cursor.execute(sql("liveness/suspect_alone"), parameters).fetchone() is not None

    def _declare_worker_processes_dead(self, worker_process_ids: Sequence[UUID], rescued: Rescued) -> None:
        lease_seconds = self._settings.lease_seconds if self.own_heartbeat.may_judge else None
        parameters = {"worker_process_ids": list(worker_process_ids), "lease_seconds": lease_seconds}
        try:
            with self._database.transaction() as cursor:
                rows = cursor.execute(sql("liveness/declare_worker_processes_dead"), parameters).fetchall()
                if lease_seconds is not None and not self.own_heartbeat.may_judge:
                    raise _TooLateError
        except _TooLateError:  # the statement waited until the database could be reached
            self._declare_worker_processes_dead(worker_process_ids, rescued)
            return
        rescued.dead_worker_process_ids += [row[0] for row in rows]

    def _cancel_requested(self, rescued: Rescued) -> None:
        with self._database.transaction() as cursor:
            rows = cursor.execute(sql("arrows/cancel_requested")).fetchall()
        rescued.requested_ids += [row[0] for row in rows]
        rescued.cancelled_ids += rescued.requested_ids

    def _give_back(self, rescued: Rescued) -> None:
        with self._database.transaction() as cursor:
            runs = cursor.execute(sql("liveness/unsettled_runs"), {"limit": RUNS_AT_ONCE}).fetchall()
        for flow_instance_id, state in runs:
            try:
                is_settled = self._give_back_records(flow_instance_id, rescued)
                if state == "dead" and not is_settled:  # the run's process woke up and locked records again
                    self._terminate_sessions(flow_instance_id, None, rescued)
            except ConflictError as error:
                logger.warning(
                    "the records of run %s will be given back at the next sweep: %s", flow_instance_id, error
                )

    def _give_back_records(self, flow_instance_id: UUID, rescued: Rescued) -> bool:
        """Returns False if another session is rescuing the run, or has locked records of the run."""
        with self._database.transaction() as cursor:
            rows = cursor.execute(
                sql("arrows/rescue"),
                {
                    "flow_instance_id": flow_instance_id,
                    "max_crash_strikes": self._settings.max_crash_strikes,
                    "max_unfinished_claims": self._settings.max_unfinished_claims,
                },
            ).fetchall()
            settled = cursor.execute(
                sql("runs/settle_run"), {"flow_instance_id": flow_instance_id}
            ).fetchone()
        by_status = {
            "pending": rescued.pending_ids,
            "failed": rescued.failed_ids,
            "cancelled": rescued.cancelled_ids,
        }
        for record_id, status, struck in rows:
            by_status[status].append(record_id)
            if struck:
                rescued.struck_ids.append(record_id)
        if settled is not None:
            rescued.settled_run_ids.append(flow_instance_id)
        return settled is not None
