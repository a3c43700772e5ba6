"""A login with the role monitor sees no payload, neither in the tables nor in other sessions' statements. If a
login lacks the role that a command needs, the error names that role."""

import pytest
from click.testing import CliRunner

from queue_store.queue_schema import role_name
from tasks.cli import main
from tests.security.logins import Logins, value

STATEMENT = "INSERT INTO processing_queue (flow_name, payload) VALUES ('sample', '{\"secret\": 4711}')"


def test_it_does_not_read_the_statements_of_others(logins: Logins) -> None:
    shop = logins.connect("test_shop", "producer")
    monitor = logins.connect("test_dashboard", "monitor")
    logins.store.execute(f"GRANT pg_read_all_stats TO {role_name('monitor')}")  # as an earlier version did
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


@pytest.mark.parametrize(
    "command", ["enqueue - --flow sample --format jsonl", "status", "show 1", "cancel 1"]
)
def test_a_login_without_the_role_is_told_which_one_it_needs(
    logins: Logins, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", logins.url("test_shop", "producer"))
    result = CliRunner().invoke(main, command.split(), input="{}")
    assert result.exit_code == 1
    assert "permission denied" in result.stderr
    assert role_name("admin") in result.stderr
    assert "Traceback" not in result.stderr
