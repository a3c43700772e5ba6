"""Counts are exact at every moment, even if several processes fold and write at once, or deltas are committed late."""

import threading
from typing import Any

import psycopg
import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from tests.support.locks import wait_until_blocked
from tests.support.recounting import recount
from tests.support.servers import connect
from tests.workers.processes import wait_until

TOTALS = "SELECT flow_name, total, completed, failed, cancelled FROM rollup_totals ORDER BY flow_name"


def add_deltas(database: DatabaseManager, count: int, **columns: Any) -> None:
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO rollup_deltas (flow_name, enqueued, completed, processing_seconds, processing_histogram)"
            " SELECT 'alpha', 3, 2, 0.5, '{1,1}' FROM generate_series(1, %(count)s)",
            {"count": count},
        )


def rows(database: DatabaseManager, query: str) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        return cursor.execute(query.encode()).fetchall()


def test_a_fold_moves_every_delta_into_minutes_hours_and_totals(database: DatabaseManager) -> None:
    add_deltas(database, 10)
    assert rollups.fold(database) == 10
    assert rows(database, "SELECT count(*) FROM rollup_deltas") == [(0,)]
    assert rows(database, TOTALS) == [("alpha", 30, 20, 0, 0)]
    for table in ("rollup_minutes", "rollup_hours"):
        sums = "sum(enqueued), sum(completed), sum(processing_seconds), sum_histograms(processing_histogram)"
        assert rows(database, f"SELECT {sums} FROM {table}") == [(30, 20, 5.0, [10, 10])]  # noqa: S608


def test_folding_again_adds_to_what_is_there(database: DatabaseManager) -> None:
    for _ in range(2):
        add_deltas(database, 2)
        rollups.fold(database)
    assert rows(database, TOTALS) == [("alpha", 12, 8, 0, 0)]
    assert rows(database, "SELECT sum_histograms(processing_histogram) FROM rollup_hours") == [([4, 4],)]


def test_a_fold_is_made_in_bounded_steps(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "DELTAS_AT_ONCE", 4)
    monkeypatch.setattr(rollups, "STEPS_AT_ONCE", 2)
    add_deltas(database, 10)
    assert rollups.fold(database) == 8
    assert rollups.fold(database) == 2
    assert rows(database, TOTALS) == [("alpha", 30, 20, 0, 0)]


def test_only_one_folds_at_a_time(database: DatabaseManager) -> None:
    add_deltas(database, 1)
    with database.transaction() as cursor:
        cursor.execute(sql("counts/wait_for_rollups"))
        assert rollups.fold(database) == 0
    assert rollups.fold(database) == 1


def test_a_delta_that_commits_late_is_folded_late_but_once(database: DatabaseManager) -> None:
    with database.transaction() as late:
        late.execute("INSERT INTO processing_queue (flow_name) VALUES ('late')")
        for _ in range(4):  # the mark must not move past the open transaction's delta
            add_deltas(database, 1)
            rollups.fold(database)
    for _ in range(3):
        rollups.fold(database)
    assert rows(database, TOTALS) == [("alpha", 12, 8, 0, 0), ("late", 1, 0, 0, 0)]


def test_a_delta_of_the_newest_of_all_transactions_is_not_passed_by(database: DatabaseManager) -> None:
    add_deltas(database, 1)
    for _ in range(3):
        rollups.fold(database)
    with database.transaction() as late:  # no later transaction ends before the folds below
        late.execute("INSERT INTO rollup_deltas (flow_name, enqueued) VALUES ('late', 1)")
        for _ in range(4):
            rollups.fold(database)
    for _ in range(3):
        rollups.fold(database)
    assert rows(database, TOTALS) == [("alpha", 3, 2, 0, 0), ("late", 1, 0, 0, 0)]


def test_a_delta_that_is_its_transactions_first_write_is_not_passed_by(own_database_url: str) -> None:
    database = connect(own_database_url)
    with database.transaction() as cursor:  # the trigger makes the insert wait after the id is taken
        cursor.execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.flow_name = 'late' THEN PERFORM pg_advisory_xact_lock(1); END IF; RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER wait BEFORE INSERT ON rollup_deltas FOR EACH ROW EXECUTE FUNCTION wait()"
        )
    # The first `nextval` of a sequence writes to the WAL, so it gives its transaction a transaction id. The next calls
    # of `nextval` write nothing to the WAL.
    add_deltas(database, 1)
    with database.transaction() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(1)")
        late = threading.Thread(target=add_late_delta, args=[database])
        late.start()
        wait_until_blocked(database)
        for _ in range(4):
            add_deltas(database, 1)
            rollups.fold(database)
    late.join()
    for _ in range(3):
        rollups.fold(database)
    totals = rows(database, TOTALS)
    database.dispose()
    assert totals == [("alpha", 15, 10, 0, 0), ("late", 1, 0, 0, 0)]


def add_late_delta(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO rollup_deltas (flow_name, enqueued) VALUES ('late', 1)")


def fold_until(database: DatabaseManager, question: str) -> None:
    def is_so_after_a_fold() -> bool:
        rollups.fold(database)
        return rows(database, question) == [(True,)]

    wait_until(is_so_after_a_fold, question)


def test_the_mark_follows_the_fold(database: DatabaseManager) -> None:
    """When all older transactions have ended, even those of autovacuum, `folded_through_id` reaches the last delta."""
    add_deltas(database, 5)
    marked = "SELECT folded_through_id = pg_sequence_last_value('rollup_deltas_id_seq') FROM rollup_progress"
    fold_until(database, marked)


def test_folding_while_many_write_loses_and_doubles_nothing(database: DatabaseManager) -> None:
    def write() -> None:
        for _ in range(25):
            add_deltas(database, 4)

    writers = [threading.Thread(target=write) for _ in range(3)]
    folders = [threading.Thread(target=lambda: [rollups.fold(database) for _ in range(25)]) for _ in range(2)]
    for thread in (*writers, *folders):
        thread.start()
    for thread in (*writers, *folders):
        thread.join()
    rollups.fold(database)
    assert rows(database, TOTALS) == [("alpha", 900, 600, 0, 0)]


def test_a_recount_corrects_what_a_foreign_update_changed(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name) SELECT 'alpha' FROM generate_series(1, 5)")
    rollups.fold(database)
    with database.transaction() as cursor:
        cursor.execute("UPDATE processing_queue SET status = 'cancelled' WHERE id % 2 = 0")
        changed = cursor.rowcount
        # The delta of this new record is not folded yet, so the recount must not count the record.
        cursor.execute("INSERT INTO processing_queue (flow_name) VALUES ('alpha')")
    assert recount(database) == [rollups.Correction("alpha", 0, 0, 0, changed)]
    assert recount(database) == []
    rollups.fold(database)
    assert rows(database, TOTALS) == [("alpha", 6, 0, 0, changed)]


def test_a_dry_recount_finds_the_same_and_neither_writes_nor_waits_for_a_fold(
    database: DatabaseManager,
) -> None:
    add_deltas(database, 1)
    rollups.fold(database)
    before = rows(database, TOTALS)
    with database.transaction() as folding:
        folding.execute(sql("counts/wait_for_rollups"))
        found = recount(database, dry_run=True)
    assert found == [rollups.Correction("alpha", -3, -2, 0, 0)]
    assert rows(database, TOTALS) == before
    assert rows(database, "SELECT recounted_at FROM rollup_progress") == [(None,)]
    assert recount(database) == found


def test_the_depth_is_noted_once_a_minute(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO processing_queue (flow_name, scheduled_at) VALUES"
            " ('alpha', now() - interval '90 seconds'), ('alpha', now() + interval '1 hour')"
        )
    for _ in range(3):
        rollups.fold(database)
    noted = rows(
        database,
        "SELECT minute, flow_name, pending, processing, is_approximate, oldest_due_seconds"
        " FROM depth_minutes ORDER BY minute",
    )
    assert len(noted) == len({row[0] for row in noted}) < 3
    assert noted[0][1:5] == ("alpha", 2, 0, False)
    assert 90 <= noted[0][5] < 120


def test_a_capped_depth_comes_from_the_totals_and_says_so(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "COUNT_LIMIT", 3)
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name) SELECT 'alpha' FROM generate_series(1, 5)")
    rollups.fold(database)
    assert rows(database, "SELECT DISTINCT pending, is_approximate FROM depth_minutes") == [(5, True)]


def test_histograms_of_different_length_are_added(own_database_url: str) -> None:
    with psycopg.connect(own_database_url) as connection:
        row = connection.execute(
            "SELECT add_histograms('{1,2}', '{1,1,1}'), add_histograms(NULL, '{4}'), add_histograms('{4}', '{}')"
        ).fetchone()
    assert row == ([2, 3, 1], [4], [4])
