"""A backup keeps each time and each number, even if two logins write and restore it with different settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queue_store.operators import backup
from queue_store.operators.backup import restore_backup, write_backup
from queue_store.operators.operators import Operators
from queue_store.readings.integrity import find_violations
from tests.support.servers import PostgresServer, connect
from tests.support.store import Store, store_on

ADD = (
    "INSERT INTO processing_queue (flow_name, payload, scheduled_at) VALUES ('sample', '{}', '2027-03-04 12:00:00Z')",
    "UPDATE flows SET orphan_timeout_seconds = 100.1 + 1e-9",
)
VALUES = (
    "SELECT extract(epoch FROM scheduled_at) FROM processing_queue",
    "SELECT orphan_timeout_seconds = 100.1 + 1e-9 FROM flows",
    "SELECT extract(epoch FROM at), actor FROM audit_log WHERE action <> 'restore' ORDER BY id",
)
SETTINGS = {
    "day before month": {"DateStyle": "SQL, DMY", "extra_float_digits": "0"},
    "a named zone": {"DateStyle": "German", "TimeZone": "Asia/Shanghai"},
    "the zone of a place and its rules": {"DateStyle": "Postgres, DMY", "TimeZone": "Europe/Dublin"},
    "few digits": {"extra_float_digits": "-10"},
}


@pytest.fixture(params=SETTINGS.values(), ids=list(SETTINGS))
def configured_store(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, store: Store, own_database_url: str
) -> Iterator[Store]:
    """The flow `sample` on a database whose sessions have other settings than those of `store`."""
    name = own_database_url.partition("?")[0].rpartition("/")[2]
    for setting, value in request.param.items():
        store.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    database = connect(own_database_url)
    with store_on(database) as configured:
        configured.add_flow()
        yield configured
    database.dispose()


def values(store: Store) -> list[list[tuple[Any, ...]]]:
    with store.database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []
    return [store.query(statement) for statement in VALUES]


def test_values_survive_a_restore_by_another_login(
    configured_store: Store, store: Store, tmp_path: Path
) -> None:
    for statement in ADD:
        configured_store.execute(statement)
    Operators(configured_store.database).pause("sample", actor="anna")
    before = values(configured_store)
    write_backup(configured_store.database, tmp_path / "there.zip")
    restore_backup(store.database, tmp_path / "there.zip", replace=True)
    assert values(store) == before
    write_backup(store.database, tmp_path / "back.zip")
    restore_backup(configured_store.database, tmp_path / "back.zip", replace=True)
    assert values(configured_store) == before


def test_values_survive_a_restore_by_the_same_login(configured_store: Store, tmp_path: Path) -> None:
    for statement in ADD:
        configured_store.execute(statement)
    before = values(configured_store)
    write_backup(configured_store.database, tmp_path / "queue.zip")
    restore_backup(configured_store.database, tmp_path / "queue.zip", replace=True)
    assert values(configured_store) == before


@pytest.mark.parametrize("configured_store", [{"DateStyle": "SQL, DMY"}], indirect=True)
def test_a_file_of_earlier_code_is_read_as_its_login_wrote_it(
    configured_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for statement in ADD:
        configured_store.execute(statement)
    before = values(configured_store)
    with monkeypatch.context() as earlier:
        earlier.setattr(backup, "COPY_FORMAT", ())
        write_backup(configured_store.database, tmp_path / "queue.zip")
    restore_backup(configured_store.database, tmp_path / "queue.zip", replace=True)
    assert values(configured_store) == before
