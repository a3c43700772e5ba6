"""Postgres holds times that Python does not. If a job has such a due time, only this job stays. If the id of a row is
such a time, the row moves."""

from typing import Any

import pytest

from tests.moving_in.conftest import SCHEMA, Importing
from tests.moving_in.test_pgqueuer import Peer as PgQueuerPeer
from tests.moving_in.test_procrastinate import LATER, Peer, peer

__all__ = ["peer"]

NO_INSTANT = "its time is not an instant with a time zone"
TIMES = ["infinity", "-infinity", "12000-01-01", "0044-03-15 BC"]
DUE = "SELECT scheduled_at = '2040-01-31Z' FROM processing_queue"


def only_one_stays(document: Any) -> None:
    assert [(left["reason"], left["count"]) for left in document["left"]] == [(NO_INSTANT, 1)]
    assert document["total"] == 1


@pytest.mark.parametrize("time", TIMES)
def test_a_job_of_procrastinate(importing: Importing, peer: Peer, time: str) -> None:
    peer.invoice.configure(lock="customer 1").defer()
    importing.query("UPDATE procrastinate_jobs SET scheduled_at = %s", time)
    peer.invoice.configure(schedule_at=LATER).defer()
    only_one_stays(importing.json("procrastinate", exit_code=1))
    assert importing.query(DUE) == [(True,)]


@pytest.mark.parametrize("time", TIMES)
def test_a_job_of_pgqueuer(importing: Importing, time: str) -> None:
    worker = PgQueuerPeer(importing.url)
    worker.enqueue("invoice", b"1")
    importing.query("UPDATE pgqueuer SET execute_after = %s", time)
    worker.enqueue("invoice", b"2")
    importing.query("UPDATE pgqueuer SET execute_after = '2040-01-31Z' WHERE payload = '2'")
    only_one_stays(importing.json("pgqueuer", exit_code=1))
    assert importing.query(DUE) == [(True,)]


@pytest.mark.parametrize("time", TIMES)
def test_a_row_of_a_status_table(importing: Importing, time: str) -> None:
    importing.query(
        f"CREATE TABLE {SCHEMA}.jobs (id int PRIMARY KEY, status text DEFAULT 'pending', due timestamptz)"
    )
    importing.query("INSERT INTO jobs (id, due) VALUES (1, %s), (2, '2040-01-31Z')", time)
    words = ("table jobs", "--flow", "invoice", "--columns", "id", "--scheduled-at", "due")
    only_one_stays(importing.json(*words, exit_code=1))
    assert importing.query(DUE) == [(True,)]


IDS = [
    *(("timestamptz", time) for time in TIMES),
    ("date", "infinity"),
    ("date", "12000-01-01"),
    ("timestamp", "-infinity"),
    ("time", "24:00:00"),
    ("interval", "178000000 years"),
    (f"{SCHEMA}.day", "infinity"),
]


@pytest.mark.parametrize(("kind", "value"), IDS)
def test_a_row_whose_id_is_such_a_time_moves(importing: Importing, kind: str, value: str) -> None:
    importing.query(f"CREATE DOMAIN {SCHEMA}.day AS date")
    importing.query(
        f"CREATE TABLE {SCHEMA}.jobs (id {kind} PRIMARY KEY, status text DEFAULT 'pending', n int)"
    )
    other = "12:00" if kind in ("time", "interval") else "2040-01-31"
    importing.query("INSERT INTO jobs (id, n) VALUES (%s, 1), (%s, 2)", value, other)
    words = ("table jobs", "--flow", "invoice", "--columns", "n", "--batch-size", "1")
    assert importing.json(*words)["total"] == 2
    assert importing.query("SELECT DISTINCT status FROM jobs") == [("moved",)]
