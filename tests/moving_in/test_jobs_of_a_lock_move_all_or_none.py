"""If one job of a Procrastinate lock cannot become a record, all jobs of that lock stay in Procrastinate. So
Procrastinate and the queue never run jobs of one lock at the same time."""

from typing import Any

import pytest

from tests.moving_in.conftest import Importing
from tests.moving_in.test_procrastinate import FLOWS, Peer, peer

__all__ = ["peer"]

SIZES = pytest.mark.parametrize("size", ["1", "2", "1000"])


def reasons_by_id(document: Any) -> dict[int, str]:
    return {job_id: left["reason"] for left in document["left"] for job_id in left["ids"]}


def of_job(job_id: int) -> str:
    return f"job {job_id}, which has the same lock, cannot be moved"


@SIZES
def test_a_bad_payload_keeps_its_whole_lock_back(importing: Importing, peer: Peer, size: str) -> None:
    first = peer.invoice.configure(lock="customer 7").defer(order_id=1)
    alone = peer.invoice.defer(order_id=2)
    bad = peer.invoice.configure(lock="customer 7").defer(amount=2**80)
    peer.invoice.configure(lock="customer 8").defer(order_id=3)
    last = peer.invoice.configure(lock="customer 7").defer(order_id=4)
    document = importing.json("procrastinate", "--batch-size", size, exit_code=1)
    assert document["moved"] == {"invoice": 2}
    reasons = reasons_by_id(document)
    assert (reasons[first], reasons[last]) == (of_job(bad), of_job(bad))
    assert reasons[bad].startswith("payload.amount: an integer beyond 64 bits")
    assert sum(left["count"] for left in document["left"]) == document["waiting"] == 3
    assert [row[1]["order_id"] for row in importing.records()] == [2, 3]
    assert alone not in reasons
    importing.query("UPDATE procrastinate_jobs SET args = '{\"order_id\": 9}' WHERE id = %s", bad)
    assert importing.json("procrastinate", "--batch-size", size)["total"] == 3
    assert [row[1]["order_id"] for row in importing.records()] == [2, 3, 1, 9, 4]


@SIZES
def test_a_duplicate_keeps_its_whole_lock_back(importing: Importing, peer: Peer, size: str) -> None:
    importing.query("INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('invoice', 'order 2')")
    first = peer.invoice.configure(lock="customer 7").defer(order_id=1)
    twin = peer.invoice.configure(lock="customer 7", queueing_lock="order 2").defer(order_id=2)
    peer.invoice.configure(lock="customer 8", queueing_lock="order 3").defer(order_id=3)
    last = peer.invoice.configure(lock="customer 7", queueing_lock="order 4").defer(order_id=4)
    document = importing.json("procrastinate", "--batch-size", size, exit_code=1)
    assert document["moved"] == {"invoice": 1}
    assert reasons_by_id(document) == {
        first: of_job(twin), last: of_job(twin), twin: "an unfinished record of invoice has the same dedup_key",
    }  # fmt: skip
    assert [row[3] for row in importing.records()] == ["order 2", "order 3"]
    audited = importing.query("SELECT affected_count FROM audit_log WHERE action = 'import'")
    assert audited == [(1,)]


@SIZES
def test_a_split_lock_is_kept_back_for_the_flow_of_the_bad_job(
    importing: Importing, peer: Peer, size: str
) -> None:
    bad = peer.invoice.configure(lock="customer 7").defer(amount=2**80)
    peer.letter.configure(lock="customer 7").defer(text="a")
    held = peer.invoice.configure(lock="customer 7").defer(order_id=1)
    document = importing.json("procrastinate", *FLOWS, "--split-locks", "--batch-size", size, exit_code=1)
    assert document["moved"] == {"letter": 1}
    assert reasons_by_id(document)[held] == of_job(bad)
    assert document["waiting"] == 2


def test_a_dry_run_says_the_same(importing: Importing, peer: Peer) -> None:
    importing.query("INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('invoice', 'order 2')")
    peer.invoice.configure(lock="customer 7").defer(order_id=1)
    peer.invoice.configure(lock="customer 7", queueing_lock="order 2").defer(order_id=2)
    dry = importing.json("procrastinate", "--dry-run", exit_code=1)
    assert (dry["total"], dry["waiting"]) == (0, 2)
    assert dry["left"] == importing.json("procrastinate", exit_code=1)["left"]


def test_duplicates_without_a_lock_keep_nothing_back(importing: Importing, peer: Peer) -> None:
    importing.query("INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('invoice', 'order 2')")
    peer.invoice.defer(order_id=1)
    peer.invoice.configure(queueing_lock="order 2").defer(order_id=2)
    assert importing.json("procrastinate", exit_code=1)["total"] == 1
