"""All failed attempts are counted by hour, flow and kind of error, however many there are."""

from pathlib import Path
from typing import Any

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.operators.backup import restore_backup, write_backup
from queue_store.readings.top_errors import OTHER, ErrorGroup, read_top_errors
from tests.support.filling import add_flow
from tests.support.store import Store, failed

ATTEMPTS = """
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group, finished_at)
SELECT %(first)s + g, 1, 1, %(flow)s, gen_random_uuid(), %(outcome)s, 'ValueError', %(kind)s || ' ' || g,
    CASE WHEN %(apart)s THEN %(kind)s || g ELSE %(kind)s END, now() - make_interval(secs => %(age)s)
FROM generate_series(1, %(count)s) g
"""
DAY = 86_400.0


class Attempts:
    def __init__(self, database: DatabaseManager) -> None:
        self.database = database
        self._first = 0

    def add(self, kind: str, count: int, flow: str = "alpha", **how: Any) -> None:
        """`apart`: whether each attempt has a kind of error of its own."""
        values = {"outcome": "failed", "apart": False, "age": 0} | how
        with self.database.transaction() as cursor:
            cursor.execute(
                ATTEMPTS, {"first": self._first, "flow": flow, "kind": kind, "count": count} | values
            )
        self._first += count

    def read(self, flow: str | None = None, groups: int = 1_000) -> list[ErrorGroup]:
        with self.database.transaction() as cursor:
            return read_top_errors(cursor, DAY, groups, flow)

    def counts(self, flow: str | None = None) -> dict[str, int]:
        return {group.error_group: group.error_count for group in self.read(flow)}


@pytest.fixture
def attempts(database: DatabaseManager) -> Attempts:
    for name in ("alpha", "beta"):
        add_flow(database, name)
    return Attempts(database)


def test_the_largest_kind_does_not_vanish_behind_the_newest(attempts: Attempts) -> None:
    attempts.add("timeout", 30_000, age=10)
    attempts.add("no stamp", 6_000, "beta")
    attempts.add("timeout", 500, "beta", outcome="retried")
    for _ in range(3):  # before any fold, after one fold, and after two folds
        assert attempts.counts() == {"timeout": 30_500, "no stamp": 6_000}
        assert attempts.counts("beta") == {"no stamp": 6_000, "timeout": 500}
        rollups.fold(attempts.database)
    largest = attempts.read()[0]
    assert (largest.failed_count, largest.flow_names) == (30_000, ["alpha", "beta"])
    assert not largest.is_capped


def test_kinds_are_bounded_and_sums_right(attempts: Attempts) -> None:
    attempts.add("junk of one statement ", 250, apart=True)
    rollups.fold(attempts.database)
    for round_number in range(3):
        attempts.add(f"junk {round_number} ", 90, apart=True)
        rollups.fold(attempts.database)
    attempts.add("the one that began late", 40)
    rollups.fold(attempts.database)
    attempts.add("the one that began late", 2)
    found = attempts.counts()
    assert sum(found.values()) == 250 + 3 * 90 + 42
    assert found["the one that began late"] == 42
    assert found[OTHER] >= 150
    with attempts.database.transaction() as cursor:
        (count,) = cursor.execute("SELECT count(*) FROM error_hours").fetchone() or (0,)
    assert count <= 2 * rollups.ERROR_KINDS


def test_kinds_are_bounded_also_if_a_fold_is_late(attempts: Attempts) -> None:
    for round_number in range(3):
        attempts.add(f"junk {round_number} ", 90, apart=True, age=2 * DAY)
        rollups.fold(attempts.database)
    with attempts.database.transaction() as cursor:
        counts = cursor.execute("SELECT count(*) FROM error_hours GROUP BY hour").fetchall()
    assert max(count for (count,) in counts) <= 2 * rollups.ERROR_KINDS


def test_each_hour_is_counted_as_its_own(attempts: Attempts) -> None:
    attempts.add("old", 3, age=2 * DAY)
    attempts.add("new", 2)
    rollups.fold(attempts.database)
    assert attempts.counts() == {"new": 2}
    with attempts.database.transaction() as cursor:
        assert {group.error_group for group in read_top_errors(cursor, 3 * DAY)} == {"old", "new"}


def test_what_a_run_writes_is_counted_once_for_each_attempt_and_once_for_each_record(store: Store) -> None:
    store.enqueue(2)
    for _ in range(2):
        run = store.run()
        run.write(failed(run.begin(), retry_delay_seconds=0))
    with store.database.transaction() as cursor:
        (group,) = read_top_errors(cursor, DAY)
    assert (group.error_count, group.record_count, group.flow_names) == (4, 2, ["sample"])


def test_a_restore_counts_nothing_again(attempts: Attempts, tmp_path: Path) -> None:
    attempts.add("timeout", 7)
    rollups.fold(attempts.database)
    attempts.add("timeout", 2)
    write_backup(attempts.database, tmp_path / "a.zip")
    restore_backup(attempts.database, tmp_path / "a.zip", replace=True)
    assert attempts.counts() == {"timeout": 9}
