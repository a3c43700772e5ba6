"""If one session crashes, Postgres recovers without a restart of the server. After the recovery, all heartbeats are out
of date, so rescue waits for one lease. In addition, we vacuum the tables, because autovacuum has lost its counts."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest

from queue_store.database import schema
from queue_store.database.vacuum import vacuum_forgotten_tables
from queue_store.errors import DatabaseUnavailableError
from tasks.embedded.postgres import EmbeddedPostgres
from tests.support.schemas import SEARCH_PATH
from tests.support.servers import connect, reachable_directory
from tests.support.store import Store, store_on

RECOVERED_AT = "SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
AGE = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8"


@pytest.fixture
def lonely_store() -> Iterator[Store]:
    """A store on a server of its own, which the test may crash."""
    with reachable_directory() as directory:
        server = EmbeddedPostgres(directory, settings={"fsync": "off", **SEARCH_PATH})
        server.start()
        manager = connect(server.url())
        try:
            schema.migrate(manager.engine)
            with store_on(manager) as store:
                store.add_flow()
                yield store
        finally:
            manager.dispose()
            server.stop()


def crash(store: Store) -> None:
    """Kills one session with SIGKILL. Then Postgres ends all other sessions and recovers."""
    before = store.value(RECOVERED_AT)
    url = store.database.settings.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    recovered = False
    while not recovered:
        assert time.monotonic() < deadline, "Postgres did not recover"
        with suppress(DatabaseUnavailableError):
            recovered = store.value(RECOVERED_AT) != before


def test_nobody_is_rescued_before_one_lease_has_passed_since_the_recovery(lonely_store: Store) -> None:
    store = lonely_store
    store.enqueue(5)
    run = store.run()
    run.begin()
    store.age(run)
    store.execute("UPDATE worker_processes SET heartbeat_at = heartbeat_at - interval '1 hour'")
    crash(store)
    age_of_the_server = float(
        store.value(AGE)
    )  # at the sweep, the server has been up for longer than this, but the recovery was more recent
    store.settings = replace(store.settings, lease_seconds=age_of_the_server)
    rescued = store.rescue.sweep()
    assert (rescued.dead_run_ids, rescued.dead_worker_process_ids) == ([], [])
    store.settings = replace(store.settings, lease_seconds=0.01)
    rescued = store.rescue.sweep()
    assert rescued.dead_run_ids == [run.flow_instance_id]
    assert rescued.dead_worker_process_ids == [run.worker_process_id]


def test_what_autovacuum_has_forgotten_is_vacuumed_by_us_once(lonely_store: Store) -> None:
    store = lonely_store
    store.enqueue(5)
    vacuum_forgotten_tables(store.database)
    assert vacuum_forgotten_tables(store.database) == []
    crash(store)
    assert "processing_queue" in vacuum_forgotten_tables(store.database)
    assert store.value("SELECT reltuples FROM pg_class WHERE relname = 'processing_queue'") == 5
    assert store.value(
        "SELECT last_vacuum > now() - interval '1 minute' FROM pg_stat_user_tables"
        " WHERE relname = 'processing_queue'"
    )
    assert vacuum_forgotten_tables(store.database) == []
