"""After a restore, rescue gives the records of the backup's runs back without a crash strike. A run that works during
the restore goes on. A record that must not be processed twice fails, unless a living run still holds it."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from queue_store.operators.backup import restore_backup, write_backup
from queue_store.records.record import Record
from queue_store.runs.run import Run
from tasks.cli import main
from tests.support.servers import connect
from tests.support.store import Store, completed, in_background, store_on

RECORDS = "SELECT status, crash_strikes, unfinished_claims, batch_limit FROM processing_queue"
GIVEN_BACK = ("pending", 0, 0, None)
RUNS = "SELECT state, error_message, leaves_unfinished, finished_at IS NOT NULL FROM flow_execution_logs"
PROCESSES = "SELECT state, ended_at IS NOT NULL FROM worker_processes"
HEARD = (
    "UPDATE flow_execution_logs SET heartbeat_at = now() - make_interval(hours => %s) WHERE finished_at IS NULL",
    "UPDATE worker_processes SET heartbeat_at = now() - make_interval(hours => %s) WHERE ended_at IS NULL",
)
ENDED = ("ended", "The queue was restored from a backup.", False, True)
MUST_NOT_REPEAT = "UPDATE flows SET declared = declared || '{\"max_crash_strikes\": 1}'"
STRICT_SETTING = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_MAX_CRASH_STRIKES"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "queue.zip"


def heard(store: Store, hours_ago: int) -> None:
    """Moves the last heartbeat of all runs and worker processes to `hours_ago` hours ago."""
    for statement in HEARD:
        store.execute(statement, (hours_ago,))


def backed_up_while_it_works(store: Store, backup: Path, count: int = 1) -> tuple[Run, list[Record]]:
    """Returns a run that works on `count` records, with these records. In the backup, the run's last heartbeat is an
    hour old."""
    store.enqueue(count)
    run = store.run()
    batch = run.begin()
    heard(store, hours_ago=1)
    write_backup(store.database, backup)
    heard(store, hours_ago=0)
    return run, batch


def end(store: Store, run: Run, batch: list[Record]) -> None:
    run.write(completed(batch))
    run.end()
    store.execute("UPDATE worker_processes SET state = 'ended', ended_at = now()")


@pytest.mark.parametrize("count", [1, 4])
def test_the_records_of_a_run_that_has_ended_since(store: Store, backup: Path, count: int) -> None:
    end(store, *backed_up_while_it_works(store, backup, count))
    restore_backup(store.database, backup, replace=True)
    rescued = store.rescue.sweep()
    assert rescued.struck_ids == rescued.dead_run_ids == rescued.dead_worker_process_ids == []
    assert store.query(RECORDS) == [GIVEN_BACK] * count
    assert store.query("SELECT FROM record_attempts") == []
    assert (store.query(RUNS), store.query(PROCESSES)) == ([ENDED], [("ended", True)])


def test_the_records_of_a_restore_into_an_empty_queue(
    store: Store, backup: Path, own_database_url: str
) -> None:
    backed_up_while_it_works(store, backup)
    empty: DatabaseManager = connect(own_database_url)
    restore_backup(empty, backup, replace=False)
    with store_on(empty) as restored:
        assert restored.rescue.sweep().struck_ids == []
        assert restored.query(RECORDS) == [GIVEN_BACK]
        assert (restored.query(RUNS), restored.query(PROCESSES)) == ([ENDED], [("ended", True)])
    empty.dispose()


def test_the_records_of_a_run_whose_end_is_being_committed(store: Store, backup: Path) -> None:
    backed_up_while_it_works(store, backup)
    session = store.held().driver
    session.execute("UPDATE flow_execution_logs SET state = 'ended', finished_at = now()")
    restored = in_background(lambda: restore_backup(store.database, backup, replace=True))
    store.wait_until_a_session_is_blocked()
    session.commit()
    restored.result(30)
    assert store.query(RUNS) == [ENDED]


def test_a_run_that_works_during_the_restore_goes_on(store: Store, backup: Path) -> None:
    run, batch = backed_up_while_it_works(store, backup)
    restore_backup(store.database, backup, replace=True)
    rescued = store.rescue.sweep()
    assert rescued.dead_run_ids == rescued.dead_worker_process_ids == []
    assert run.write(completed(batch)).refused_ids == []
    run.end()
    assert store.statuses() == {"completed": 1}


def test_a_run_that_was_silent_before_the_restore_is_dead(store: Store, backup: Path) -> None:
    backed_up_while_it_works(store, backup)
    heard(store, hours_ago=2)
    restore_backup(store.database, backup, replace=True)
    assert len(store.rescue.sweep().dead_run_ids) == 1


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("since", ["ended", "stopping", "dead", "alive"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_records_that_must_not_be_processed_twice_fail(
    store: Store, backup: Path, monkeypatch: pytest.MonkeyPatch, is_declared: bool, since: str, count: int
) -> None:
    """`stopping`: the run was stopping in the backup, and has ended since. `dead`: the run was declared dead while it
    held the records."""
    if is_declared:
        store.execute(MUST_NOT_REPEAT)
    else:
        monkeypatch.setenv(STRICT_SETTING, "1")
        store.settings = replace(store.settings, max_crash_strikes=1)
    run, batch = backed_up_while_it_works(store, backup, count)
    if since == "stopping":
        store.execute("UPDATE flow_execution_logs SET state = 'stopping'")
        backup.unlink()
        write_backup(store.database, backup)
    if since == "dead":
        store.execute(
            "UPDATE flow_execution_logs SET state = 'dead', finished_at = now(), died_running = true"
        )
    elif since == "alive":
        run.write(completed(batch))
    else:
        end(store, run, batch)
    assert restore_backup(store.database, backup, replace=True) == count
    if since == "alive":
        run.end()
    rescued = store.rescue.sweep()
    assert rescued.failed_ids == rescued.pending_ids == []
    assert store.statuses() == {"failed": count}
    audited = "SELECT details FROM audit_log WHERE action = 'restore'"
    assert store.value(audited) == {"not_repeated_count": count}


def test_the_command_says_how_many_records_failed(
    store: Store, backup: Path, monkeypatch: pytest.MonkeyPatch, clean_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    store.execute(MUST_NOT_REPEAT)
    end(store, *backed_up_while_it_works(store, backup, count=3))
    command = ["restore", str(backup), "--replace", "--yes"]
    said = CliRunner().invoke(main, command).output
    assert "restored, of which 3 failed, because their tasks must not be repeated." in said
    assert '"not_repeated_count": 3' in CliRunner().invoke(main, [*command, "--json"]).output


def test_a_flow_that_allows_more_crashes_than_the_setting(
    store: Store, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STRICT_SETTING, "1")
    store.execute("UPDATE flows SET declared = declared || '{\"max_crash_strikes\": 2}'")
    end(store, *backed_up_while_it_works(store, backup))
    restore_backup(store.database, backup, replace=True)
    store.rescue.sweep()
    assert store.query(RECORDS) == [GIVEN_BACK]


def test_a_dry_run_ends_no_run(
    store: Store, backup: Path, monkeypatch: pytest.MonkeyPatch, clean_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    backed_up_while_it_works(store, backup)
    result = CliRunner().invoke(main, ["restore", str(backup), "--replace", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert (store.query(RUNS), store.query(PROCESSES)) == (
        [("running", None, False, False)],
        [("running", False)],
    )
