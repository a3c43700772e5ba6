"""A monitor sees no payload: neither in the tables, nor in the statements of other sessions."""

import pytest
from click.testing import CliRunner

from queue_store.queue_schema import role_name
from tasks.cli import main
from tests.security.logins import Logins, value

STATEMENT = "INSERT INTO processing_queue (flow_name, payload) VALUES ('sample', '{\"secret\": 4711}')"


def test_it_does_not_read_the_statements_of_others(logins: Logins) -> None:
    shop = logins.connect("test_shop", "producer")
    monitor = logins.connect("test_dashboard", "monitor")
    logins.store.execute(f"GRANT pg_read_all_stats TO {role_name('monitor')}")  # as it was before
    logins.grant()
    shop.execute(STATEMENT.encode())
    seen = value(
        monitor, "SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE datname = current_database()"
    )
    assert "4711" not in seen


def test_its_commands_say_what_it_cannot_see(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", logins.url("test_dashboard", "monitor"))
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.send", lambda *_: True)
    result = CliRunner().invoke(main, ["check", "--database"])
    assert "Queue health" in result.output
    assert "permission denied" not in result.output
