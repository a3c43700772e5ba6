"""Each waiting job of a real Procrastinate becomes exactly one record, or stays where it is for a reason that the
command names. Procrastinate's workers no longer run a job that was moved."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import procrastinate
import psycopg
import pytest

from tests.moving_in.conftest import SCHEMA, Importing

LATER = datetime(2040, 1, 31, tzinfo=UTC)


class Peer:
    """Two tasks, and a worker for them in this process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
        self.seen: list[Any] = []

        @self.app.task(name="invoice")
        async def invoice(**arguments: Any) -> None:
            self.seen.append(arguments)

        @self.app.task(name="shop.write_letter")
        async def letter(**arguments: Any) -> None:
            self.seen.append(arguments)

        self.invoice: Any = invoice
        self.letter: Any = letter

    def work(self) -> None:
        async def worker() -> None:
            async with self.app.open_async():
                await self.app.run_worker_async(
                    wait=False, install_signal_handlers=False, listen_notify=False
                )

        asyncio.run(worker())

    def fetch(self, connection: "psycopg.Connection[Any]") -> Any:
        """Takes a job as a worker of Procrastinate does. Returns its id."""
        row = connection.execute("SELECT id FROM procrastinate_fetch_job_v2(NULL, NULL)").fetchone()
        return row[0] if row else None


@pytest.fixture
def peer(importing: Importing) -> Iterator[Peer]:
    one = Peer(importing.url)
    with one.app.open():
        one.app.schema_manager.apply_schema()
        yield one


FLOWS = ("--flow", "shop.write_letter=letter")


def test_jobs_become_records_with_all_that_they_say(importing: Importing, peer: Peer) -> None:
    peer.invoice.defer(order_id=1)
    peer.invoice.configure(priority=3, queueing_lock="order 2", schedule_at=LATER).defer(order_id=2)
    peer.letter.configure(priority=-20, lock="customer 7").defer(text="a")
    document = importing.json("procrastinate", *FLOWS)
    assert document["moved"] == {"invoice": 2, "letter": 1}
    assert (document["total"], document["left"], document["waiting"]) == (3, [], 0)
    records = {row[1].get("order_id", "letter"): row for row in importing.records()}
    ids = [row[0] for row in importing.query("SELECT id FROM procrastinate_jobs ORDER BY id")]
    assert records[1] == ("invoice", {"order_id": 1}, 5, None, None, f"procrastinate job {ids[0]}")
    assert records[2][2:4] == (2, "order 2")
    assert records["letter"][0] == "letter"
    assert records["letter"][2:5] == (9, None, "customer 7")
    at = importing.query("SELECT scheduled_at FROM processing_queue WHERE dedup_key = 'order 2'")
    assert at == [(LATER,)]


def test_old_workers_find_nothing_and_a_second_run_moves_nothing(importing: Importing, peer: Peer) -> None:
    for number in range(25):
        peer.invoice.defer(order_id=number)
    assert importing.json("procrastinate", "--batch-size", "10")["total"] == 25
    assert importing.json("procrastinate")["total"] == 0
    peer.work()
    assert peer.seen == []
    assert len(importing.records()) == 25
    states = importing.query("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1")
    assert states == [("cancelled", 25)]
    events = importing.query("SELECT count(*) FROM procrastinate_events WHERE type = 'cancelled'")
    assert events == [(25,)]
    audited = importing.query("SELECT actor, action, affected_count FROM audit_log ORDER BY id")
    assert audited == [("Olga", "import", 10), ("Olga", "import", 10), ("Olga", "import", 5)]


def test_a_dry_run_says_the_same_and_changes_nothing(importing: Importing, peer: Peer) -> None:
    peer.invoice.defer(order_id=1)
    peer.letter.defer(text="a")
    document = importing.json("procrastinate", "--dry-run", exit_code=1)
    assert document["is_dry_run"]
    assert document["moved"] == {"invoice": 1}
    (left,) = document["left"]
    assert (left["name"], left["count"]) == ("shop.write_letter", 1)
    assert "--flow shop.write_letter=FLOW" in left["reason"]
    assert importing.records() == []
    assert importing.query("SELECT affected_count FROM audit_log") == []
    peer.work()
    assert len(peer.seen) == 2


def test_what_cannot_be_stored_stays_with_the_place(importing: Importing, peer: Peer) -> None:
    peer.invoice.defer(amount=2**80)
    peer.invoice.configure(queueing_lock="k" * 300).defer(order_id=1)
    peer.invoice.defer(order_id=2)
    document = importing.json("procrastinate", exit_code=1)
    assert document["moved"] == {"invoice": 1}
    reasons = sorted(left["reason"] for left in document["left"])
    assert reasons[0].startswith("dedup_key: must have 1 to 255 characters")
    assert reasons[1].startswith("payload.amount: an integer beyond 64 bits")
    assert document["waiting"] == 2


def test_an_unfinished_record_with_the_same_key_keeps_its_job_back(importing: Importing, peer: Peer) -> None:
    importing.query("INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('invoice', 'order 1')")
    peer.invoice.configure(queueing_lock="order 1").defer(order_id=1)
    document = importing.json("procrastinate", exit_code=1)
    assert document["left"][0]["reason"] == "an unfinished record of invoice has the same dedup_key"
    assert document["waiting"] == 1


def test_a_job_that_an_old_worker_takes_at_this_moment_stays(importing: Importing, peer: Peer) -> None:
    peer.invoice.defer(order_id=1)
    peer.invoice.defer(order_id=2)
    with psycopg.connect(peer.url) as old_worker:
        taken = peer.fetch(old_worker)
        document = importing.json("procrastinate")
        old_worker.commit()
    assert document["total"] == 1
    assert importing.query("SELECT id, status::text FROM procrastinate_jobs WHERE status <> 'cancelled'") == [
        (taken, "doing")
    ]


def test_an_old_worker_passes_by_what_is_being_moved(importing: Importing, peer: Peer) -> None:
    from queue_store.moving_in.procrastinate import Procrastinate

    peer.invoice.defer(order_id=1)
    with importing.database.transaction() as cursor, psycopg.connect(peer.url) as old_worker:
        jobs, _ = Procrastinate({}, SCHEMA).take(cursor, None, 10)
        assert len(jobs) == 1
        assert peer.fetch(old_worker) is None


def test_jobs_of_a_lock_move_together_and_in_order(importing: Importing, peer: Peer) -> None:
    for number in range(6):
        peer.invoice.configure(lock="customer 7" if number % 2 else None).defer(order_id=number)
    document = importing.json("procrastinate", "--batch-size", "2")
    assert document["total"] == 6
    keyed = [row[1]["order_id"] for row in importing.records() if row[4] == "customer 7"]
    assert keyed == [1, 3, 5]
    # The first batch contained the first job of the lock, and therefore all jobs of the lock.
    first = importing.query("SELECT affected_count FROM audit_log ORDER BY id LIMIT 1")
    assert first == [(4,)]


def test_a_lock_that_a_running_job_holds_is_left(importing: Importing, peer: Peer) -> None:
    peer.invoice.configure(lock="customer 7").defer(order_id=1)
    with psycopg.connect(peer.url) as old_worker:
        peer.fetch(old_worker)
    peer.invoice.configure(lock="customer 7").defer(order_id=2)
    peer.invoice.configure(lock="customer 8").defer(order_id=3)
    document = importing.json("procrastinate", exit_code=1)
    assert document["moved"] == {"invoice": 1}
    assert document["running"] == 1
    assert "a running job holds its lock" in document["left"][0]["reason"]


def test_a_lock_that_flows_share_is_split_only_when_that_is_said(importing: Importing, peer: Peer) -> None:
    peer.invoice.configure(lock="customer 7").defer(order_id=1)
    peer.letter.configure(lock="customer 7").defer(text="a")
    document = importing.json("procrastinate", *FLOWS, exit_code=1)
    assert (document["total"], sum(left["count"] for left in document["left"])) == (0, 2)
    assert importing.json("procrastinate", *FLOWS, "--split-locks")["total"] == 2


def test_without_its_tables_the_command_says_so(importing: Importing) -> None:
    result = importing.command("procrastinate", "--dry-run", exit_code=1)
    assert 'there is no table "the_other"."procrastinate_jobs" in this database' in result.output
