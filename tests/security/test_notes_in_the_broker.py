"""Anyone who can write to the broker can forge the notes that workers keep of quarantined messages. A process that
reads a note does not fail, whatever the note contains. If an alert rule fails, the other rules are still evaluated."""

import json
from dataclasses import replace
from typing import Any

import pytest
import redis
from click.testing import CliRunner

from queue_store.alerting import alerts
from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.alerts.checking import check_queue
from tasks.celery_hardening.quarantine import keep_message, news, notes_key
from tasks.cli import main
from tasks.monitoring.broker import BrokerReading
from tasks.monitoring.rules import judge
from tasks.monitoring.snapshot import take_snapshot
from tests.support import filling

GOOD = {"queue": "flows", "count": 1, "why": "it raised TypeError"}
BAD: dict[str, Any] = {
    "no JSON": "{",
    "a number": "5",
    "an empty object": "{}",
    "a list": "[]",
    "no count": {"queue": "flows", "why": "x"},
    "a count of text": {**GOOD, "count": "many"},
    "a count without bounds": {**GOOD, "count": float("inf")},
    "an instant of text": {**GOOD, "at": "now"},
    "an instant that is not one": {**GOOD, "at": float("nan")},
    "an instant far in the future": {**GOOD, "at": 1e300},
    "deep": "[" * 3_900,
    "large": {**GOOD, "why": "x" * 100_000},
}


@pytest.mark.parametrize("note", BAD.values(), ids=BAD)
def test_what_is_no_note_is_left_out(redis_client: redis.Redis, redis_url: str, note: Any) -> None:
    now = redis_client.time()[0]
    keep_message(redis_url, "flows", None, b"", "it raised TypeError")
    text = note if isinstance(note, str) else json.dumps({"at": now} | note)
    redis_client.lpush(notes_key(), text)
    [kept] = news(redis_client)
    assert (kept.queue, kept.count) == ("flows", 1)


def test_a_note_keeps_its_finding_short_and_on_one_line(
    redis_client: redis.Redis, database: DatabaseManager
) -> None:
    note = {"queue": "a\nb", "count": 10**30, "why": "password=hunter2\n" * 100, "at": redis_client.time()[0]}
    redis_client.lpush(notes_key(), json.dumps(note))
    broker = BrokerReading(is_reachable=True, quarantine_notes=news(redis_client))
    snapshot = replace(take_snapshot(database, ProcessorSettings()), broker=broker)
    [finding] = judge(snapshot, ("messages_quarantined",))
    assert "\n" not in finding.message
    assert "hunter2" not in finding.message
    assert len(finding.message) < 600


def test_a_note_holds_no_body(redis_client: redis.Redis, redis_url: str) -> None:
    headers = {"task": "processing_queue.enqueue", "argsrepr": "canary", "id": "1"}
    keep_message(redis_url, "control", headers, b'[["letters", {"secret": "canary"}]]', "it raised TypeError")
    [text] = redis_client.lrange(notes_key(), 0, -1)
    assert b"canary" not in text
    assert b"processing_queue.enqueue" in text


def test_no_key_but_a_quarantined_list_is_dropped(redis_client: redis.Redis, redis_url: str) -> None:
    redis_client.set("precious", "1")
    for _ in range(20):
        redis_client.lpush(notes_key(), json.dumps(GOOD | {"at": redis_client.time()[0], "key": "precious"}))
    keep_message(redis_url, "flows", None, b"", "a test")
    assert redis_client.get("precious") == b"1"


@pytest.fixture
def failing_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: Any = [None]
    broken = BrokerReading(is_reachable=True, quarantine_notes=notes)
    monkeypatch.setattr("tasks.alerts.judging.read_broker", lambda: broken)


@pytest.mark.usefixtures("failing_rule")
def test_a_rule_that_fails_is_a_finding_and_the_others_judge(database: DatabaseManager) -> None:
    filling.add_failed(database, 60)
    codes = {finding.code for finding in check_queue(database, ProcessorSettings(), notify=False).findings}
    assert codes >= {"failed_records", "rule_failed"}


@pytest.mark.usefixtures("failing_rule")
def test_while_a_rule_fails_no_alert_is_resolved(database: DatabaseManager) -> None:
    found = Finding(code="messages_quarantined", level="warning", message="2 messages", next_step="look")
    with database.transaction() as cursor:
        alerts.update(cursor, [found], [found.code])
    check_queue(database, ProcessorSettings(), notify=True)
    with database.transaction() as cursor:
        assert "messages_quarantined" in {alert.code for alert in alerts.read_alerts(cursor)}


def test_an_error_of_the_check_is_no_judgement(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setattr("tasks.alerts.judging.take_snapshot", lambda *_: 1 / 0)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 3
    assert "ZeroDivisionError, which is a fault of this program" in result.output
