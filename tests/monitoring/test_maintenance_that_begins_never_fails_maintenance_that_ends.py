"""Maintenance begins and ends without an error, even if it waits for the audit log at the same time as other
maintenance. At its beginning, maintenance writes to the audit log if it declares a silent run abandoned."""

import pytest

from queue_store import maintenance
from queue_store.database.manager import DatabaseManager
from queue_store.maintenance import maintenance_run
from tests.monitoring.test_maintenance import execute, rows
from tests.support.locks import uncommitted, wait_until_blocked
from tests.support.store import in_background

PATIENCE_SECONDS = 30
SILENT = "INSERT INTO maintenance_runs (operation, dry_run, actor) VALUES ('silent', false, 'anna')"
# Each UPDATE puts the new version of its row behind the other rows. So later statements find the rows in the order of
# the UPDATEs.
AFFECT = "UPDATE maintenance_runs SET affected_count = 1 WHERE operation = %(operation)s"
AGE = "UPDATE maintenance_runs SET heartbeat_at = now() - interval '1 hour' WHERE operation = %(operation)s"
SEAL = "SELECT FROM audit_seal FOR UPDATE"
STATES = "SELECT operation, state FROM maintenance_runs ORDER BY id"
AUDITED = "SELECT target, affected_count FROM audit_log ORDER BY target"
CASES = {
    "it is silent, too, and begins to end later": ("another", True, "begins", "abandoned"),
    "it is silent, too, and begins to end earlier": ("another", True, "ends", "finished"),
    "it is of the same operation": ("ending", False, "begins", "finished"),
}


def begin(database: DatabaseManager, operation: str) -> None:
    with maintenance.begin(database, operation, dry_run=False, actor="bert"):
        pass


@pytest.mark.parametrize(("operation", "is_silent", "first", "state"), CASES.values(), ids=CASES)
def test_while_other_maintenance_ends(
    database: DatabaseManager, operation: str, is_silent: bool, first: str, state: str
) -> None:
    execute(database, SILENT)
    ending = maintenance.begin(database, "ending", dry_run=False, actor="carl")
    ending.__enter__()
    for name in ("silent", "ending"):
        execute(database, AFFECT, operation=name)
        if name == "silent" or is_silent:
            execute(database, AGE, operation=name)
    works = [lambda: begin(database, operation), lambda: ending.__exit__(None, None, None)]
    both = []
    with uncommitted(database, SEAL):
        for work in works if first == "begins" else reversed(works):
            both.append(in_background(work))
            wait_until_blocked(database, len(both))
    for done in both:
        done.result(PATIENCE_SECONDS)
    assert rows(database, STATES) == [("silent", "abandoned"), ("ending", state), (operation, "finished")]
    assert rows(database, AUDITED) == [("ending", 1), ("silent", 1)]


def test_while_a_chunk_of_silent_maintenance_works_on_the_audit_log(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance_run, "HEARTBEAT_SECONDS", 3_600)
    with maintenance.begin(database, "ending", dry_run=False, actor="carl") as run:
        execute(database, AFFECT, operation="ending")
        execute(database, AGE, operation="ending")
        with run.chunk() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '60s'")  # a deadlock would hit the other session
            cursor.execute(SEAL.encode())
            begun = in_background(lambda: begin(database, "another"))
            wait_until_blocked(database)
        begun.result(PATIENCE_SECONDS)
    assert rows(database, STATES) == [("ending", "finished"), ("another", "finished")]
