"""Records of one order_key run one after the other, also where an earlier one comes to light while a later one runs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from queue_store.database import schema, statements, versions
from queue_store.database.manager import DatabaseManager
from queue_store.errors import ConflictError, SchemaVersionError
from queue_store.explain import explain_record
from queue_store.flows import with_work
from queue_store.operators.operators import Operators
from queue_store.runs.run import Run
from queue_store.settings import ProcessorSettings
from tests.support.pgbouncer import direct_only
from tests.support.schemas import TEST_SCHEMA
from tests.support.servers import connect
from tests.support.store import Store, failed, ids, in_background, store_on
from tests.workers.processes import wait_until

KEY = {"order_key": "tenant"}


@contextmanager
def committed_late(store: Store) -> Iterator[int]:
    """An earlier record, committed at the end of the block."""
    with store.held().transaction() as cursor:
        row = cursor.execute(
            "INSERT INTO processing_queue (flow_name, order_key) VALUES ('sample', 'tenant') RETURNING id"
        ).fetchone()
        assert row is not None
        yield row[0]


def late(store: Store) -> int:
    run = store.run()
    with committed_late(store) as earlier:
        store.enqueue(1, **KEY)
        assert len(run.begin()) == 1
    return earlier


def reset(store: Store) -> int:
    run = store.run(batch_size=1)
    earlier, _ = store.enqueue(2, **KEY)
    run.write(failed(run.begin()))
    assert len(run.claim()) == 1
    Operators(store.database).reset([earlier], actor="olga")
    return earlier


def by_walking(store: Store, run: Run) -> None:
    pass


def from_head_to_head(store: Store, run: Run) -> None:
    run.position.scan_keys_for(float("inf"))


def as_a_suspect(store: Store, run: Run) -> None:
    store.execute("UPDATE processing_queue SET batch_limit = 5 WHERE status = 'pending'")


@pytest.mark.parametrize("appear", [late, reset])
@pytest.mark.parametrize("claim", [by_walking, from_head_to_head, as_a_suspect])
def test_it_comes_next(
    store: Store, appear: Callable[[Store], int], claim: Callable[[Store, Run], None]
) -> None:
    earlier = appear(store)
    other = store.run()
    claim(store, other)
    assert other.begin() == []
    with store.database.transaction() as cursor:
        assert with_work(cursor) == []
        reasons = explain_record(cursor, ProcessorSettings(), earlier).reasons
    assert "waiting_for_key" in {reason.code for reason in reasons}
    store.execute(
        "UPDATE processing_queue SET status = 'completed', completed_at = now() WHERE id <> %s", (earlier,)
    )
    assert ids(other.begin()) == [earlier]


def test_a_suspect_that_comes_next_does_not_hold_up_the_others(store: Store) -> None:
    """Neither those of its group nor those of another one."""
    earlier = late(store)
    first, second = store.enqueue(2)
    store.execute("UPDATE processing_queue SET batch_limit = 5 WHERE id = ANY(%s)", ([earlier, first],))
    store.execute("UPDATE processing_queue SET batch_limit = 3 WHERE id = %s", (second,))
    run = store.run()
    assert ids(run.begin()) == [first]
    assert ids(run.claim()) == [second]
    assert run.claim() == []


def test_a_record_that_comes_next_is_not_taken_for_the_one_that_has_waited_longest(store: Store) -> None:
    earlier = late(store)
    store.execute(
        "UPDATE processing_queue SET priority = 9, scheduled_at = now() - interval '1 day' WHERE id = %s",
        (earlier,),
    )
    store.enqueue(1, priority=7)
    run = store.run()
    with store.database.transaction() as cursor:
        assert run.claimer.oldest_waiting_level(cursor) == 7


def test_two_who_claim_at_this_moment_do_not_run_side_by_side(store: Store) -> None:
    """One has claimed the later record and not committed yet when the earlier one comes to light."""
    first, second = store.run(batch_size=1), store.run(batch_size=1)
    store.enqueue(2)
    assert first.begin()
    assert second.begin()
    with first.held.transaction() as cursor:
        with committed_late(store) as earlier:
            (later,) = store.enqueue(1, **KEY)
            assert ids(first.claimer.claim(cursor, first.batch_size)) == [later]
        rival = in_background(second.claim)
        store.wait_until_blocked(second.held)
    with pytest.raises(ConflictError, match="order_key"):
        rival.result(30)
    (unkeyed,) = store.enqueue(1)
    assert ids(second.claim()) == [unkeyed]
    assert store.status(earlier) == "pending"


def test_a_migration_that_meets_two_of_a_key_names_them_and_may_be_repeated(empty_database_url: str) -> None:
    manager = connect(empty_database_url)
    schema.migrate(manager.engine, "0008")
    with store_on(manager) as store:
        store.add_flow()
        earlier, later = store.enqueue(2, **KEY)
        store.execute(
            "UPDATE processing_queue SET status = 'processing', claim_number = 1, claimed_at = now(),"
            " flow_instance_id = gen_random_uuid()"
        )
        with pytest.raises(SchemaVersionError, match=f"records {earlier}, {later} .* 'tenant' of sample"):
            schema.migrate(manager.engine)
        assert schema.current_version(manager.engine) == "0008"
        store.execute(
            "UPDATE processing_queue SET status = 'completed', completed_at = now() WHERE id = %s", (earlier,)
        )
        schema.migrate(manager.engine)
        assert schema.current_version(manager.engine) == versions.latest_version()
    manager.dispose()


@direct_only  # it counts sessions by the last statement of each
def test_two_who_migrate_at_once_wait_for_each_other(empty_database_url: str) -> None:
    """Building an index while work goes on waits for every older snapshot. So a session that waits must have none."""
    manager = connect(empty_database_url)
    program = [sys.executable, "-c", "from tasks.cli import main; main()", "migrate"]
    environment = {**os.environ, "DATABASE_URL": empty_database_url}
    with manager.transaction() as cursor:
        if TEST_SCHEMA != "public":
            cursor.execute(statements.sql("migration/create_schema"))
        cursor.execute(statements.sql("migration/create_schema_version"))
    with manager.transaction() as gate:
        gate.execute(statements.sql("migration/lock_schema_version"))
        migrators = [
            subprocess.Popen(
                program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for _ in range(2)
        ]
        wait_until(
            lambda: asking_for_their_turn(manager) == 2, "both to ask for their turn", timeout_seconds=60
        )
    said = [migrator.communicate(timeout=60)[0] for migrator in migrators]
    manager.dispose()
    assert [migrator.returncode for migrator in migrators] == [0, 0], said


def asking_for_their_turn(database: DatabaseManager) -> int:
    """Sessions that have asked for the lock of the migrations, whether they wait in that statement or after it."""
    with database.transaction() as cursor:
        row = cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'queuectl migrate' AND (query LIKE '%schema_version%' OR query = 'ROLLBACK')"
        ).fetchone()
    return row[0] if row else 0


def test_an_index_that_was_left_half_built_is_built_anew(empty_database_url: str) -> None:
    manager = connect(empty_database_url)
    schema.migrate(manager.engine, "0008")
    with store_on(manager) as store:
        store.execute("CREATE INDEX processing_queue_running_key ON processing_queue (id)")
        schema.migrate(manager.engine)
        assert store.value(
            "SELECT indisunique FROM pg_index WHERE indexrelid = 'processing_queue_running_key'::regclass"
        )
    manager.dispose()
