"""No id is given a second time, whether a restore succeeds or is interrupted. After an interrupted restore, the queue
works as before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_store.counts import rollups
from queue_store.errors import BackupError
from queue_store.operators.backup import restore_backup, write_backup
from queue_store.operators.operators import Operators
from queue_store.readings.integrity import find_violations
from tests.counts.test_rollups import fold_until
from tests.support.servers import connect
from tests.support.store import Store, store_on

INTERRUPT = "ALTER TABLE audit_log ADD CONSTRAINT interrupt CHECK (actor <> 'since') NOT VALID"
ALL_IS_FOLDED = "SELECT NOT EXISTS (SELECT FROM rollup_deltas WHERE enqueued > 0)"
SEQUENCES = "SELECT coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = current_schema() ORDER BY sequencename"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "queue.zip"


@pytest.fixture
def own_store(own_database_url: str) -> Iterator[Store]:
    database = connect(own_database_url)
    with store_on(database) as store:
        store.add_flow()
        yield store
    database.dispose()


def folded(store: Store) -> None:
    """Adds records until all counts of the earlier records are folded."""
    for _ in range(3):
        store.enqueue()
        rollups.fold(store.database)


def test_the_queue_works_after_an_interrupted_restore(own_store: Store, backup: Path) -> None:
    operators = Operators(own_store.database)
    own_store.enqueue(2)
    write_backup(own_store.database, backup)
    for _ in range(5):
        operators.stop_ingestion(None, actor="since")
        operators.resume_ingestion(None, actor="since")
    folded(own_store)
    own_store.execute(INTERRUPT)
    before = own_store.query(SEQUENCES)
    with pytest.raises(BackupError, match="interrupt"):
        restore_backup(own_store.database, backup, replace=True)
    own_store.execute("ALTER TABLE audit_log DROP CONSTRAINT interrupt")
    assert all(now >= then for now, then in zip(own_store.query(SEQUENCES), before, strict=True))
    own_store.enqueue()
    operators.stop_processing(actor="anna")
    operators.resume_processing(actor="anna")
    fold_until(own_store.database, ALL_IS_FOLDED)
    with own_store.database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []


def test_a_new_record_gets_an_id_that_no_lost_record_had(store: Store, backup: Path) -> None:
    store.enqueue(2)
    write_backup(store.database, backup)
    lost = store.enqueue(3)
    restore_backup(store.database, backup, replace=True)
    assert store.enqueue()[0] > max(lost)


def test_a_restore_into_an_empty_queue_continues_after_the_restored_ids(
    store: Store, backup: Path, own_store: Store
) -> None:
    ids = store.enqueue(3)
    Operators(store.database).stop_processing(actor="anna")
    folded(store)
    write_backup(store.database, backup)
    newest = store.value("SELECT max(id) FROM processing_queue")
    restore_backup(own_store.database, backup, replace=False)
    Operators(own_store.database).resume_processing(actor="anna")
    assert own_store.enqueue()[0] == newest + 1 > max(ids)
    with own_store.database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []


def test_a_sequence_that_was_never_used_stays_unused(own_store: Store, backup: Path) -> None:
    write_backup(own_store.database, backup)
    restore_backup(own_store.database, backup, replace=False)
    assert own_store.enqueue() == [1]
