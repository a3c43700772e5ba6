"""No session of a worker waits or works indefinitely."""

import time

import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.database.vacuum import vacuum_tables
from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.settings import DatabaseSettings, parse_database_url
from tests.support.flow_runs import running_worker


def shown(database: DatabaseManager, name: str) -> str:
    with database.transaction() as cursor:
        row = cursor.execute("SELECT current_setting(%(name)s)", {"name": name}).fetchone()
    assert row is not None
    return str(row[0])


def test_a_workers_sessions_have_timeouts(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_worker(clean_database_url, monkeypatch) as worker:
        database = worker.services.database
        assert shown(database, "statement_timeout") == "10min"
        assert shown(database, "lock_timeout") == "1min"
        assert shown(database, "idle_in_transaction_session_timeout") == "5min"
        assert shown(database, "jit") == "off"


def test_options_in_the_url_are_added_and_win(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    separator = "&" if "?" in clean_database_url else "?"
    url = f"{clean_database_url}{separator}options=-c%20lock_timeout%3D7s%20-c%20search_path%3Dpublic"
    with running_worker(url, monkeypatch) as worker:
        database = worker.services.database
        assert shown(database, "lock_timeout") == "7s"
        assert shown(database, "search_path") == "public"
        assert shown(database, "statement_timeout") == "10min"


def test_who_waits_for_a_lock_for_too_long_may_try_again(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = parse_database_url(clean_database_url)
    impatient = DatabaseManager(
        settings=DatabaseSettings(url=url), session_settings={"lock_timeout": "100ms"}
    )
    with database.transaction() as holder:
        holder.execute("LOCK TABLE flows")
        with pytest.raises(ConflictError), impatient.transaction() as cursor:
            cursor.execute("SELECT * FROM flows")
    impatient.dispose()


def test_a_vacuum_may_take_longer_than_a_statement(own_database_url: str) -> None:
    """The test has its own database: VACUUM sleeps at each page, and other tests leave thousands of pages behind."""
    slow = {"statement_timeout": "500ms", "vacuum_cost_delay": "50ms", "vacuum_cost_limit": "1"}
    database = DatabaseManager(
        settings=DatabaseSettings(url=parse_database_url(own_database_url)), session_settings=slow
    )
    with psycopg.connect(own_database_url) as patient:
        patient.execute(
            "INSERT INTO processing_queue (flow_name) SELECT 'alpha' FROM generate_series(1, 300)"
        )
    with pytest.raises(DatabaseUnavailableError, match="statement timeout"), database.transaction() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    began = time.monotonic()
    vacuum_tables(database, ["processing_queue"])
    assert time.monotonic() - began > 0.5
    database.dispose()
