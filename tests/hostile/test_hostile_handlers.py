"""Runs hostile handlers in real worker processes, together with innocent records and another flow.

Innocent records complete, whatever a hostile handler does. They are charged no failed attempt, and their effects are
written exactly once. The record with the hostile handler is finished when its attempts or crash strikes are used up, or
earlier. The worker goes on serving other flows.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from queue_store.database.manager import DatabaseManager
from tests.hostile.misuses import names
from tests.hostile.modes import INNOCENTS, MODES
from tests.support.flow_rows import register_flow
from tests.workers.processes import running_worker

SETTINGS = {"HEARTBEAT_SECONDS": "0.4", "LEASE_SECONDS": "2", "IDLE_POLL_SECONDS": "0.5"}
SERVED_SECONDS = 40
SIX = ("fork, the child raises", "COMMIT AND CHAIN", "another search path for the session", "dict_row",
       "an idle transaction", "SIGALRM by default")  # fmt: skip
EFFECTS = "CREATE TABLE hostile_effects (record_id bigint, path text, role text, tenant text, status text)"
INSERT = "INSERT INTO processing_queue (flow_name, payload) VALUES (%(flow)s, jsonb_build_object('do', %(do)s::text))"
UNFINISHED = """
SELECT payload ->> 'do', status, retry_count, crash_strikes FROM processing_queue
WHERE flow_name = %(flow)s AND completed_at IS NULL AND status NOT IN ('completed', 'failed', 'cancelled')
"""
INNOCENTS_WRONGED = """
SELECT id, status, retry_count, error_message FROM processing_queue
WHERE flow_name = %(flow)s AND payload ->> 'do' IS NULL AND (status <> 'completed' OR retry_count > 0)
"""
EFFECTS_WRONG = """
SELECT q.id, q.payload ->> 'do', q.status, count(e.record_id), min(e.path), min(e.role), min(e.tenant)
FROM processing_queue q LEFT JOIN hostile_effects e ON e.record_id = q.id
WHERE q.flow_name = %(flow)s
GROUP BY q.id
HAVING count(e.record_id) <> (q.status = 'completed')::int
    OR min(e.path) <> %(path)s OR min(e.role) <> %(role)s OR min(e.tenant) <> ''
"""
SLOWEST = "SELECT max(completed_at - created_at) FROM processing_queue WHERE flow_name = 'neighbour'"


class Queue:
    def __init__(self, database: DatabaseManager) -> None:
        self.database = database

    def rows(self, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        with self.database.transaction() as cursor:
            cursor.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []


def work_off(queue: Queue, mode: str, misuses: Sequence[str], log: Path, environment: dict[str, str]) -> None:
    for name in (mode, "neighbour"):
        register_flow(queue.database, name)
    for misuse in misuses:
        innocents: list[str | None] = [None] * INNOCENTS[mode]
        for do in (*innocents, misuse, *innocents):
            queue.rows(INSERT, flow=mode, do=do)
    ends_at = time.monotonic() + 60 + 6 * len(misuses)
    with running_worker(environment, log, flows="tests.hostile.flows", settings=SETTINGS) as worker:
        while queue.rows(UNFINISHED, flow=mode) and time.monotonic() < ends_at:
            queue.rows(INSERT, flow="neighbour", do=None)
            time.sleep(0.5)
        assert queue.rows(UNFINISHED, flow=mode) == []
        assert worker.popen.poll() is None
        while queue.rows(UNFINISHED, flow="neighbour") and time.monotonic() < ends_at:
            time.sleep(0.1)


def judge(queue: Queue, mode: str) -> None:
    assert queue.rows(INNOCENTS_WRONGED, flow=mode) == []
    if "with" in mode:
        [(path, role)] = queue.rows("SELECT current_setting('search_path'), current_user")
        assert queue.rows(EFFECTS_WRONG, flow=mode, path=path, role=role) == []
    if mode.startswith("express"):
        assert queue.rows("SELECT count(*) > 100 FROM hostile_effects WHERE status = 'pending'") == [(True,)]
    [(slowest,)] = queue.rows(SLOWEST)
    assert slowest.total_seconds() < SERVED_SECONDS  # type: ignore[attr-defined]


@pytest.fixture
def queue(database: DatabaseManager) -> Iterator[Queue]:
    queue = Queue(database)
    queue.rows(EFFECTS)
    yield queue
    queue.rows("DROP TABLE hostile_effects")  # other tests use the same database


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
def test_hostile_handlers_of_each_mode(
    mode: str, queue: Queue, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    work_off(queue, mode, list(MODES[mode]), tmp_path / "worker.log", settings_environment)
    judge(queue, mode)


@pytest.mark.timeout(120)
def test_six_of_them(queue: Queue, settings_environment: dict[str, str], tmp_path: Path) -> None:
    work_off(queue, "with_psycopg", SIX, tmp_path / "worker.log", settings_environment)
    judge(queue, "with_psycopg")


def test_there_are_enough_of_them() -> None:
    assert len(set(names())) >= 60
