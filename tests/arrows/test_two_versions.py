"""During a deployment, two versions of the code work on one schema."""

from pathlib import Path

import pytest

from queue_store.database import schema, versions
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import SchemaVersionError
from queue_store.operators import backup
from tests.support.servers import connect
from tests.support.store import Store, completed, failed, store_on


def set_version(database: DatabaseManager, version: str, mark: str) -> None:
    with database.transaction() as cursor:
        cursor.execute("UPDATE schema_version SET version_num = %s", (version,))
        cursor.execute(f"COMMENT ON TABLE schema_version IS 'serves code from {mark} on'".encode())


def take_every_arrow(database: DatabaseManager) -> None:
    with store_on(database) as store:
        store.add_flow()
        store.enqueue(10)
        run = store.run()
        batch = run.begin()
        run.write([*completed(batch[:4]), *failed(batch[4:5], 1), *failed(batch[5:6])])
        run.release(batch[6:8])
        store.age(run)
        store.rescue.sweep()
        assert store.statuses() == {"completed": 4, "failed": 1, "pending": 5}


def test_code_runs_on_a_newer_schema_that_says_that_it_bears_it(own_database_url: str) -> None:
    manager = connect(own_database_url)
    set_version(manager, "9999", versions.latest_version())
    schema.check_version(manager)
    take_every_arrow(manager)
    manager.dispose()


@pytest.mark.parametrize("mark", ["9998_later", ""])
def test_code_refuses_a_newer_schema_that_does_not(own_database_url: str, mark: str) -> None:
    manager = connect(own_database_url)
    set_version(manager, "9999", mark) if mark else _unmark(manager)
    with pytest.raises(SchemaVersionError, match="newer than this code"):
        schema.check_version(manager)
    manager.dispose()


def test_migrating_leaves_the_mark(own_database_url: str) -> None:
    manager = connect(own_database_url)
    _unmark(manager)
    with manager.transaction() as cursor:
        cursor.execute("UPDATE schema_version SET version_num = %s", (versions.LAST_OF_BEFORE,))
    schema.migrate(manager.engine)
    with manager.transaction() as cursor:
        row = cursor.execute(sql("migration/compatible")).fetchone()
    assert row == (versions.mark(),)
    manager.dispose()


def test_a_backup_that_is_restored_while_a_run_works_fences_the_run(store: Store, tmp_path: Path) -> None:
    """The run claims its records before the restore. So none of the run's outcomes is written into the restored
    database."""
    store.enqueue(5)
    backup.write_backup(store.database, tmp_path / "copy.zip")
    run = store.run()
    batch = run.begin()
    backup.restore_backup(store.database, tmp_path / "copy.zip", replace=True)
    assert store.statuses() == {"pending": 5}
    written = run.write(completed(batch))
    assert sorted(written.refused_ids) == [record.id for record in batch]
    assert store.statuses() == {"pending": 5}
    successor = store.run()
    successor.write(completed(successor.begin()))
    assert store.statuses() == {"completed": 5}


def _unmark(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute("UPDATE schema_version SET version_num = '9999'")
        cursor.execute("COMMENT ON TABLE schema_version IS NULL")
