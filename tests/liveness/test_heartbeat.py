"""If the database is unreachable when a child reports its dead predecessor, a later heartbeat repeats the report."""

from uuid import UUID

import pytest

from queue_store.errors import DatabaseUnavailableError
from queue_store.liveness.rescue import Rescue
from tasks.background.heartbeat import Heartbeat
from tasks.worker.shared_slots import Predecessor
from tests.support.flow_runs import Worker
from tests.support.store import Store


def died_with(store: Store, record_id: int) -> Predecessor:
    run = store.run()
    run.begin()
    return Predecessor(UUID(str(run.worker_process_id)), record_id)


def test_the_record_that_killed_a_process_is_struck_although_the_first_rescue_failed(
    store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_ids = store.enqueue(10)
    worker.services.predecessor = died_with(store, record_ids[3])
    lost = Rescue.lost
    outages = [DatabaseUnavailableError("away")]

    def fail_once(*arguments: object) -> object:
        if outages:
            raise outages.pop()
        return lost(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Rescue, "lost", fail_once)
    heartbeat = Heartbeat(worker.services)
    for _ in range(3):
        heartbeat.attempt(heartbeat.beat)
    assert store.query("SELECT id FROM processing_queue WHERE crash_strikes = 1") == [(record_ids[3],)]
    assert store.statuses() == {"pending": 10}
    assert worker.services.predecessor is None


def test_a_predecessor_that_cannot_be_reported_does_not_keep_its_successor_from_beating(
    store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError

    worker.services.predecessor = died_with(store, store.enqueue(1)[0])
    monkeypatch.setattr(Rescue, "lost", fail)
    heartbeat = Heartbeat(worker.services)
    heartbeat.attempt(heartbeat.beat)
    looked_at = store.value("SELECT clock_timestamp()")
    heartbeat.attempt(heartbeat.beat)
    beaten = "SELECT heartbeat_at > %s FROM worker_processes WHERE worker_process_id = %s"
    assert store.value(beaten, (looked_at, worker.services.process.worker_process_id)) is True
