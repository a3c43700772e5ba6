"""A restore loses no row of the audit log and duplicates none, even if clocks are wrong or transactions are open."""

import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from queue_store.operators.backup import restore_backup, write_backup
from queue_store.readings.integrity import find_violations
from tests.support.store import Store, in_background

ADD = (
    "INSERT INTO audit_log (at, actor, action, target, affected_count, details)"
    " VALUES (coalesce(%s, clock_timestamp()), %s, 'reset', 'the flow alpha', 1, %s)"
)
NOON = "2026-01-01 12:00:00.123456+00"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "queue.zip"


def add(store: Store, actor: str, at: str | None = None, details: str = "{}") -> None:
    store.execute(ADD, (at, actor, details))


def restore(store: Store, backup: Path) -> list[str]:
    """Restores the backup. Returns the actors in the audit log, without the actor of the restore."""
    restore_backup(store.database, backup, replace=True)
    with store.database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []
    rows = store.query("SELECT actor FROM audit_log WHERE action <> 'restore' ORDER BY number")
    return [actor for (actor,) in rows]


def test_a_row_that_was_written_while_the_backup_ran(store: Store, backup: Path) -> None:
    add(store, "before")
    store.enqueue()
    done: list[int] = []

    def reset(count: int) -> None:
        if not done:
            add(store, "during")
        done.append(count)

    write_backup(store.database, backup, reset)
    assert restore(store, backup) == ["before", "during"]


def test_a_row_whose_transaction_was_open_at_the_snapshot(store: Store, backup: Path) -> None:
    session = store.held().driver
    session.execute(ADD, (None, "open", "{}"))
    write_backup(store.database, backup)
    session.commit()
    assert restore(store, backup) == ["open"]


def test_a_row_whose_transaction_is_open_when_the_restore_begins(store: Store, backup: Path) -> None:
    add(store, "before")
    write_backup(store.database, backup)
    session = store.held().driver
    session.execute(ADD, (None, "open", "{}"))
    restored = in_background(lambda: restore(store, backup))
    store.wait_until_a_session_is_blocked()
    session.commit()
    assert restored.result(30) == ["before", "open"]


@pytest.mark.parametrize("made_at", ["2020-01-01T00:00:00+00:00", "2050-01-01T00:00:00+00:00"])
def test_the_date_of_the_backup_does_not_count(store: Store, backup: Path, made_at: str) -> None:
    add(store, "before")
    write_backup(store.database, backup)
    add(store, "after")
    date(backup, made_at)
    assert restore(store, backup) == ["before", "after"]


def date(backup: Path, made_at: str) -> None:
    with zipfile.ZipFile(backup) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest: dict[str, Any] = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps({**manifest, "made_at": made_at}).encode()
    with zipfile.ZipFile(backup, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def test_equal_rows_and_rows_of_the_same_moment_are_counted(store: Store, backup: Path) -> None:
    for actor in ("anna", "anna"):
        add(store, actor, NOON)
    write_backup(store.database, backup)
    for actor, details in (("anna", "{}"), ("bert", "{}"), ("anna", '{"reason": "INC-17"}')):
        add(store, actor, NOON, details)
    rows = "SELECT actor, at, details FROM audit_log WHERE action = 'reset' ORDER BY number"
    before = store.query(rows)
    restore(store, backup)
    assert store.query(rows) == before


def test_the_log_of_another_queue_is_kept_after_the_rows_of_the_backup(store: Store, backup: Path) -> None:
    add(store, "of the backup")
    write_backup(store.database, backup)
    store.execute("TRUNCATE audit_log")
    store.execute("UPDATE audit_seal SET number = 0, seal = ''")
    add(store, "newer", "2026-02-01Z")
    add(store, "older", "2026-01-01Z")
    assert restore(store, backup) == ["of the backup", "older", "newer"]


def test_a_row_that_was_changed_by_hand_stays_after_the_row_of_the_backup(store: Store, backup: Path) -> None:
    add(store, "anna")
    write_backup(store.database, backup)
    store.execute("UPDATE audit_log SET actor = 'otto'")
    assert restore(store, backup) == ["anna", "otto"]


def test_each_restore_of_the_same_backup(store: Store, backup: Path) -> None:
    add(store, "before")
    write_backup(store.database, backup)
    add(store, "after")
    for _ in range(3):
        assert restore(store, backup) == ["before", "after"]
    assert store.value("SELECT count(*) FROM audit_log WHERE action = 'restore'") == 3


def test_rows_that_an_operator_had_restored_get_their_login_back(store: Store, backup: Path) -> None:
    add(store, "before")
    write_backup(store.database, backup)
    login = store.value("SELECT login FROM audit_log")
    store.execute("UPDATE audit_log SET login = 'operator'")
    assert restore(store, backup) == ["before"]
    assert store.value("SELECT login FROM audit_log WHERE actor = 'before'") == login


def test_a_backup_has_the_date_of_its_snapshot(store: Store, backup: Path) -> None:
    store.enqueue()
    times: list[datetime] = [store.value("SELECT clock_timestamp()")]
    manifest = write_backup(
        store.database, backup, lambda _: times.append(store.value("SELECT clock_timestamp()"))
    )
    assert times[0] <= datetime.fromisoformat(manifest.made_at) <= times[1]
