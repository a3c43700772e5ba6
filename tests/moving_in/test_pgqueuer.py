"""Each waiting job of a real PgQueuer becomes exactly one record, or stays where it is for a reason that the command
names. PgQueuer's workers no longer run a job that was moved."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.models import Job
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueEntrypoint, QueueExecutionMode, QueueManagerId

from queue_store.moving_in.pgqueuer import PgQueuer
from tests.moving_in.conftest import SCHEMA, Importing


class Peer:
    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[bytes | None] = []
        self._do(lambda queries: queries.install())

    def enqueue(self, entrypoint: str, payload: bytes | None, priority: int = 0, **options: Any) -> None:
        given: Any = {name: [value] for name, value in options.items()}
        self._do(lambda queries: queries.enqueue([entrypoint], [payload], [priority], **given))

    def work(self) -> None:
        """Runs a worker of PgQueuer until no job is left that this worker may take."""

        async def work(queries: Queries) -> None:
            manager = QueueManager(queries)

            @manager.entrypoint("invoice")
            async def invoice(job: Job) -> None:
                self.seen.append(job.payload)

            await manager.run(mode=QueueExecutionMode.drain)

        self._do(work)

    def take(self) -> list[Job]:
        """Takes jobs as a worker of PgQueuer does."""
        taken: list[Job] = []

        async def take(queries: Queries) -> None:
            taken.extend(
                await queries.dequeue(
                    batch_size=10,
                    entrypoints={QueueEntrypoint("invoice"): EntrypointExecutionParameter(0)},
                    queue_manager_id=QueueManagerId(uuid4()),
                    global_concurrency_limit=None,
                    heartbeat_timeout=timedelta(seconds=30),
                )
            )

        self._do(take)
        return taken

    def _do(self, what: Callable[[Queries], Awaitable[Any]]) -> None:
        async def do() -> None:
            async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
                async with PsycopgDriver(connection) as driver:
                    await what(Queries(driver))

        asyncio.run(do())


@pytest.fixture
def peer(importing: Importing) -> Peer:
    return Peer(importing.url)


def test_jobs_become_records_with_all_that_they_say(importing: Importing, peer: Peer) -> None:
    peer.enqueue("invoice", json.dumps({"order_id": 1}).encode())
    peer.enqueue("invoice", b'{"order_id": 2}', 9, dedupe_key="order 2", execute_after=timedelta(hours=1))
    peer.enqueue("write_letter", None, -2)
    document = importing.json("pgqueuer", "--flow", "write_letter=letter")
    assert document["moved"] == {"invoice": 2, "letter": 1}
    assert (document["left"], document["waiting"], document["running"]) == ([], 0, 0)
    rows = [row[:5] for row in importing.records()]
    assert sorted(rows, key=str) == [
        ("invoice", {"order_id": 1}, 5, None, None),
        ("invoice", {"order_id": 2}, 0, "order 2", None),
        ("letter", None, 7, None, None),
    ]
    due = importing.query(
        "SELECT count(*) FROM processing_queue WHERE scheduled_at > now() + interval '30 min'"
    )
    assert due == [(1,)]


def test_old_workers_find_nothing_and_a_second_run_moves_nothing(importing: Importing, peer: Peer) -> None:
    for number in range(7):
        peer.enqueue("invoice", json.dumps({"order_id": number}).encode())
    assert importing.json("pgqueuer", "--batch-size", "3")["total"] == 7
    assert importing.json("pgqueuer")["total"] == 0
    assert peer.take() == []
    assert len(importing.records()) == 7
    log = importing.query("SELECT count(*) FROM pgqueuer_log WHERE status = 'canceled'")
    assert log == [(7,)]


def test_a_dry_run_says_the_same_and_changes_nothing(importing: Importing, peer: Peer) -> None:
    peer.enqueue("invoice", b'{"order_id": 1}')
    peer.enqueue("invoice", b"\x00 pickled")
    document = importing.json("pgqueuer", "--dry-run", exit_code=1)
    assert document["moved"] == {"invoice": 1}
    assert [(left["reason"], left["count"]) for left in document["left"]] == [("its payload is not JSON", 1)]
    assert (importing.records(), document["waiting"]) == ([], 2)
    assert len(peer.take()) == 2


@pytest.mark.long
def test_a_worker_runs_what_was_left_and_nothing_else(importing: Importing, peer: Peer) -> None:
    peer.enqueue("invoice", b'{"order_id": 1}')
    peer.enqueue("invoice", b"no JSON")
    assert importing.json("pgqueuer", exit_code=1)["total"] == 1
    peer.work()
    assert peer.seen == [b"no JSON"]


def test_neither_takes_what_the_other_one_has_locked(importing: Importing, peer: Peer) -> None:
    peer.enqueue("invoice", b'{"order_id": 1}')
    peer.enqueue("invoice", b'{"order_id": 2}')
    with importing.database.transaction() as cursor:
        jobs, _ = PgQueuer({}, SCHEMA).take(cursor, None, 1)
        assert len(jobs) == 1
        assert len(peer.take()) == 1
    with psycopg.connect(peer.url) as old_worker:
        old_worker.execute("UPDATE pgqueuer SET status = 'picked'")
        assert importing.json("pgqueuer")["total"] == 0
        assert "1 job not moved: new, or locked by other sessions" in importing.command("pgqueuer").stdout
        old_worker.rollback()
    assert importing.json("pgqueuer")["total"] == 1
