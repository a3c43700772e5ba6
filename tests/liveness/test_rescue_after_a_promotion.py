"""After the promotion of a standby, all heartbeats are out of date, so no run is declared dead until one lease has
passed. The start of the postmaster or of the checkpointer does not show when the standby was promoted: both started
long before."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from queue_store.explain import explain_record
from queue_store.readings.fleet import read_fleet
from queue_store.readings.orphans import read_orphans
from queue_store.runs.run import Run
from queue_store.settings import ProcessorSettings
from tests.support.replica import running_pair
from tests.support.servers import connect
from tests.support.store import Store, store_on

SILENT_SECONDS = 1800
LEASE = timedelta(minutes=10)
STANDS_BY_FOR = """SELECT extract(epoch FROM clock_timestamp() - backend_start)::float8 FROM pg_stat_activity
    WHERE backend_type = 'checkpointer'"""


class Promoted:
    """The store on a standby that has just been promoted. The store's only run was silent for half an hour."""

    def __init__(self, store: Store, run: Run, before_promotion: datetime) -> None:
        self.store = store
        self.run = run
        self.before_promotion = before_promotion

    def set_lease(self, seconds: float) -> ProcessorSettings:
        self.store.settings = replace(self.store.settings, lease_seconds=seconds)
        return self.store.settings

    def set_lease_of_the_standby(self) -> ProcessorSettings:
        """This lease is shorter than the time for which the standby has been up, but longer than the time since the
        promotion."""
        return self.set_lease(float(self.store.value(STANDS_BY_FOR)))


@pytest.fixture
def promoted() -> Iterator[Promoted]:
    with running_pair() as pair:
        primary, standby = connect(pair.primary.url()), connect(pair.replica.url())
        try:
            with store_on(primary) as store:
                store.add_flow()
                store.enqueue(5)
                run = store.run()
                run.begin()
                store.age(run, SILENT_SECONDS)
                store.execute(
                    "UPDATE worker_processes SET heartbeat_at = heartbeat_at - interval '30 minutes'"
                )
                pair.go_on()
                before_promotion = store.value("SELECT clock_timestamp()")
            pair.crash()
            pair.promote()
            with store_on(standby) as store:
                yield Promoted(store, run, before_promotion)
        finally:
            primary.dispose()
            standby.dispose()


def test_rescue_waits_for_one_lease_after_the_promotion(promoted: Promoted) -> None:
    store, run = promoted.store, promoted.run
    promoted.set_lease_of_the_standby()
    rescued = store.rescue.sweep()
    assert (rescued.dead_run_ids, rescued.dead_worker_process_ids) == ([], [])
    promoted.set_lease(0.01)
    rescued = store.rescue.sweep()
    assert rescued.dead_run_ids == [run.flow_instance_id]
    assert rescued.dead_worker_process_ids == [run.worker_process_id]


def test_the_readings_wait_for_one_lease_after_the_promotion(promoted: Promoted) -> None:
    def read(settings: ProcessorSettings) -> tuple[list[Any], list[bool]]:
        with promoted.store.database.transaction() as cursor:
            orphans = read_orphans(cursor, settings)
            fleet = read_fleet(cursor, settings)
        return [group.cause for group in orphans], [process.is_alive for process in fleet.processes]

    assert read(promoted.set_lease_of_the_standby()) == ([], [True])
    assert read(promoted.set_lease(0.01)) == (["run silent"], [False])


def test_explain_announces_the_rescue_for_one_lease_after_the_promotion(promoted: Promoted) -> None:
    settings, store = promoted.set_lease(LEASE.total_seconds()), promoted.store
    with store.database.transaction() as cursor:
        reason = explain_record(
            cursor, settings, store.value("SELECT min(id) FROM processing_queue")
        ).reasons[0]
    assert reason.code == "owner_silent"
    assert reason.until is not None
    assert reason.until > promoted.before_promotion + LEASE
