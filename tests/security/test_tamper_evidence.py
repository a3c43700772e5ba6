"""`validate` finds what was deleted or changed in the history by hand, and `check` reports most of it. A repair
restores what the remaining rows still show."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from queue_store import maintenance
from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.operators.operators import Operators
from queue_store.readings.integrity import find_violations
from queue_store.settings import ProcessorSettings
from tasks.alerts.checking import check_queue
from tasks.cli import main
from tests.security.logins import Logins
from tests.support.store import Store, completed, failed, in_background

# For each kind of tampering: the statement, the check that finds it, the code of the finding.
TAMPERED = {
    "an attempt is deleted": (
        "DELETE FROM record_attempts WHERE record_id = (SELECT max(record_id) FROM record_attempts)",
        "attempts_lost",
        "lost_evidence",
    ),
    "all attempts are deleted": ("TRUNCATE record_attempts", "attempts_lost", "lost_evidence"),
    "an attempt is changed": (
        "UPDATE record_attempts SET error_message = 'nothing' WHERE outcome = 'failed'",
        "attempts_lost",
        "lost_evidence",
    ),
    "the totals are lost": ("DELETE FROM rollup_totals", "counts_that_do_not_add_up", "wrong_counts"),
    "the totals of a flow that is done are lost": (
        "DELETE FROM rollup_totals WHERE flow_name = 'done'",
        "counts_that_do_not_add_up",
        "wrong_counts",
    ),
    "the totals are changed": (
        "UPDATE rollup_totals SET completed = completed + 5",
        "counts_that_do_not_add_up",
        "wrong_counts",
    ),
    "the totals are changed so that they agree": (
        "UPDATE rollup_totals SET completed = completed + 5, total = total + 5",
        "totals_that_do_not_add_up",
        None,
    ),
    "the totals of one flow agree, those of another do not": (
        "UPDATE rollup_totals SET completed = completed + 5, total = total + 5 * (flow_name = 'done')::integer",
        "counts_that_do_not_add_up",
        "wrong_counts",
    ),
    "the counts below zero": (
        "UPDATE rollup_totals SET completed = -1, total = total - completed - 1 WHERE flow_name = 'done'",
        "counts_that_do_not_add_up",
        "wrong_counts",
    ),
    "the minutes are lost": ("DELETE FROM rollup_minutes", "rollups_that_disagree", "lost_evidence"),
    "a minute is changed": (
        "UPDATE rollup_minutes SET completed = completed - 1 WHERE flow_name = 'done'",
        "rollups_that_disagree",
        "lost_evidence",
    ),
    "the hours are lost": ("DELETE FROM rollup_hours", "rollups_that_disagree", "lost_evidence"),
    "an audit row is changed": (
        "UPDATE audit_log SET actor = 'Otto' WHERE number = 2",
        "broken_seals",
        "lost_evidence",
    ),
    "an audit row gets another date": (
        "UPDATE audit_log SET at = at - interval '1 microsecond' WHERE number = 3",
        "broken_seals",
        "lost_evidence",
    ),
    "an audit row in the middle is deleted": (
        "DELETE FROM audit_log WHERE number = 2",
        "broken_seals",
        "lost_evidence",
    ),
    "the first audit row is deleted": (
        "DELETE FROM audit_log WHERE number = 1",
        "broken_seals",
        "lost_evidence",
    ),
    "the newest audit row is deleted": (
        "DELETE FROM audit_log WHERE number = 3",
        "broken_seals",
        "lost_evidence",
    ),
    "all audit rows are deleted": ("DELETE FROM audit_log", "broken_seals", "lost_evidence"),
    "an audit row is inserted past the trigger": (
        "SET LOCAL session_replication_role = replica;"
        "INSERT INTO audit_log (actor, action, target, affected_count) VALUES ('Otto', 'reset', 'x', 1)",
        "broken_seals",
        "lost_evidence",
    ),
    "two audit rows change places": (
        "UPDATE audit_log SET number = -1 WHERE number = 1; UPDATE audit_log SET number = 1 WHERE number = 2;"
        "UPDATE audit_log SET number = 2 WHERE number = -1",
        "broken_seals",
        "lost_evidence",
    ),
}


@pytest.fixture
def history(store: Store) -> Store:
    """Two flows with attempts, counts and three actions of operators. One of the flows has no pending records."""
    store.add_flow("done")
    for flow, count in (("sample", 8), ("done", 4)):
        store.enqueue(count, flow_name=flow)
        run = store.run(flow_name=flow)
        batch = run.begin()
        run.write([*completed(batch[: count // 2]), *failed(batch[count // 2 :])])
        run.end()
    operators = Operators(store.database)
    operators.pause("sample", actor="Olga")
    operators.resume("sample", actor="Olga")
    operators.change_priority(store.enqueue(3), 1, actor="Olga")
    rollups.fold(store.database)
    assert found_by(store.database) == set()
    return store


def found_by(database: DatabaseManager, *, at_a_glance: bool = False) -> set[str]:
    with database.transaction() as cursor:
        violations = find_violations(cursor, full=not at_a_glance, at_a_glance=at_a_glance)
    return {violation.check.name for violation in violations}


def tamper(store: Store, what: str) -> tuple[str, str | None]:
    statement, check, code = TAMPERED[what]
    with store.database.transaction() as cursor:
        for part in statement.split(";"):
            cursor.execute(part.encode())
    return check, code


@pytest.mark.parametrize("what", TAMPERED)
def test_it_is_found_said_and_repaired(history: Store, what: str) -> None:
    check, code = tamper(history, what)
    assert check in found_by(history.database)
    if code is not None:
        assert check in found_by(history.database, at_a_glance=True)
        findings = check_queue(history.database, ProcessorSettings(), notify=False).findings
        assert code in {finding.code for finding in findings}
    with maintenance.begin(history.database, "repair", dry_run=True, actor="Olga") as run:
        promised = maintenance.repair(run)
    assert check in found_by(history.database)
    with maintenance.begin(history.database, "repair", dry_run=False, actor="Olga") as run:
        repaired = maintenance.repair(run)
    assert sum(repaired.values()) > 0
    assert promised == repaired
    assert found_by(history.database) == set()


def test_the_minutes_of_all_flows_come_back_from_those_of_each(history: Store) -> None:
    counted = "SELECT * FROM rollup_overall ORDER BY 1"
    before = history.query(counted)
    assert before
    history.execute("UPDATE rollup_overall SET completed = completed + 1")
    history.execute("INSERT INTO rollup_overall VALUES ('2020-01-01Z', 0, 7, 0, 0, 0, '{}', '{}')")
    assert "overall_counts_that_disagree" in found_by(history.database)
    for dry_run in (True, False):
        with maintenance.begin(history.database, "repair", dry_run=dry_run, actor="Olga") as run:
            assert maintenance.repair(run)["overall_counts_that_disagree"] == len(before) + 1
    assert history.query(counted) == before
    assert found_by(history.database) == set()


@pytest.mark.parametrize("lost", ["rollup_hours", "rollup_minutes", "rollup_totals"])
def test_lost_counts_come_back_from_the_others(history: Store, lost: str) -> None:
    counted = f"SELECT flow_name, sum(completed), sum(failed) FROM {lost} GROUP BY 1 ORDER BY 1"  # noqa: S608
    before = history.query(counted)
    history.execute(f"DELETE FROM {lost}")  # noqa: S608
    with maintenance.begin(history.database, "repair", dry_run=False, actor="Olga") as run:
        maintenance.repair(run)
    assert history.query(counted) == before


def test_a_lost_attempt_comes_back_from_its_record(history: Store) -> None:
    last = "SELECT record_id, claim_number, error_message FROM record_attempts ORDER BY 1"
    before = history.query(last)
    history.execute("DELETE FROM record_attempts")
    with maintenance.begin(history.database, "repair", dry_run=False, actor="Olga") as run:
        maintenance.repair(run)
    assert history.query(last) == before


def test_accepting_a_broken_audit_log_leaves_a_row_that_says_what_was_found(history: Store) -> None:
    history.execute("DELETE FROM audit_log WHERE number = 2")
    with maintenance.begin(history.database, "repair", dry_run=False, actor="Olga") as run:
        maintenance.repair(run)
    [(actor, found)] = history.query(
        "SELECT actor, details->'found' FROM audit_log WHERE action = 'seal anew'"
    )
    assert (actor, found) == ("Olga", ["audit rows 2 to 2 are lost"])


def test_a_restore_breaks_no_seal(history: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = history.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)
    file = tmp_path / "queue.zip"
    for line in (f"backup {file}", f"restore {file} --replace --yes"):
        result = CliRunner().invoke(main, line.split())
        assert result.exit_code == 0, result.output
    assert found_by(history.database) == set()
    assert history.value("SELECT max(number) = count(*) FROM audit_log")


def test_what_retention_takes_is_no_loss(store: Store) -> None:
    for age in (500, 400, 300, 0):
        store.execute(
            "INSERT INTO audit_log (at, actor, action, target, affected_count)"
            " VALUES (now() - make_interval(days => %s), 'a', 'b', 'c', 1)",
            (age,),
        )
    assert store.value("SELECT purge_audit(interval '350 days', 1)") == 1
    assert found_by(store.database) == set()
    assert store.value("SELECT purge_audit(interval '350 days', 100)") == 1
    assert store.value("SELECT purge_audit(interval '350 days', 100)") == 0
    assert found_by(store.database) == set()
    assert store.value("SELECT array_agg(number ORDER BY number) FROM audit_log") == [3, 4]


def test_two_operators_at_once_are_sealed_one_after_the_other(store: Store) -> None:
    add = "INSERT INTO audit_log (actor, action, target, affected_count) VALUES (%s, 'b', 'c', 1)"
    first, second = store.held().driver, store.held()
    first.execute(add, ("first",))
    waiting = in_background(lambda: second.driver.execute(add, ("second",)) and second.driver.commit())
    store.wait_until_blocked(second)
    first.commit()
    waiting.result(30)
    assert store.query("SELECT number, actor FROM audit_log ORDER BY number") == [(1, "first"), (2, "second")]
    assert found_by(store.database) == set()


def test_the_login_in_the_audit_log_is_the_real_one(logins: Logins) -> None:
    duty = logins.connect("test_duty", "admin")
    duty.execute(
        "INSERT INTO audit_log (actor, action, target, affected_count, login) VALUES ('Otto', 'b', 'c', 1, 'otto')"
    )
    assert logins.store.query("SELECT actor, login FROM audit_log") == [("Otto", "test_duty")]
