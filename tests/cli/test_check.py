"""`queuectl check` for Nagios, probes and pagers: the first line is a summary, and the exit codes suit Nagios."""

import pytest
from click.testing import CliRunner, Result

from queue_store.database.manager import DatabaseManager
from tasks.app import app
from tasks.cli import main
from tests.support import filling


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.is_broker_reachable", lambda _: True)
    monkeypatch.setattr(app.conf, "broker_url", "redis://here")
    monkeypatch.setattr("tasks.alerts.judging.TRY_AGAIN_SECONDS", 0)


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments])


@pytest.fixture
def beat(database: DatabaseManager) -> DatabaseManager:
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO beats (beat_id, hostname, pid) VALUES (gen_random_uuid(), 'beat', 1)")
    return database


def test_the_first_line_says_all(beat: DatabaseManager) -> None:
    assert check().stdout == "Queue health: healthy\n"
    filling.add_failed(beat, 120)
    filling.add_failed(beat, 60, "beta")
    first, second, *_ = check().stdout.splitlines()
    assert first.startswith("Queue health: critical - alpha: 120 failed records, more than 100")
    assert first.endswith(" more)")
    assert second.startswith("CRITICAL alpha: 120 failed records")


@pytest.mark.parametrize(
    ("failed", "level", "exit_codes"),
    [(0, "healthy", (0, 0, 0)), (60, "warning", (1, 0, 0)), (120, "critical", (2, 2, 0))],
)
def test_a_probe_fails_from_its_level_on(
    beat: DatabaseManager, failed: int, level: str, exit_codes: tuple[int, ...]
) -> None:
    filling.add_failed(beat, failed)
    for fail_on, exit_code in zip(("warning", "critical", "emergency"), exit_codes, strict=True):
        result = check("--fail-on", fail_on)
        assert (result.exit_code, result.stdout.split()[2]) == (exit_code, level)


def test_an_emergency_is_critical_to_nagios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/rpa_db")
    result = check("--fail-on", "emergency")
    assert result.exit_code == 2
    assert result.stdout.startswith("Queue health: emergency - The database rpa_db cannot be reached")


@pytest.mark.parametrize(
    "words", ["check --nothing", "check --fail-on healthy", "check --fail-on", "chek", "--what"]
)
def test_wrong_usage_is_no_level(words: str) -> None:
    assert CliRunner().invoke(main, words.split()).exit_code == 64


def test_what_cannot_be_judged_is_unknown_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_BATCH_SIZE", "many")
    result = check("--fail-on", "emergency")
    assert result.exit_code == 3
    first = result.stdout.splitlines()[0]
    assert first.startswith("Queue health: unknown - The settings are wrong: ")
    assert "BATCH_SIZE must be a whole number" in first


def test_a_fault_of_the_program_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tasks.alerts.checking.check_queue", broken)
    result = check()
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        3,
        "Queue health: unknown - ZeroDivisionError, which is a fault of this program",
    )
