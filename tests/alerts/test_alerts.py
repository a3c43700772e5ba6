"""Alerts are opened, raised, escalated and resolved. No notification about a change is sent twice. If the database is
unreachable, the alert about this is sent without the database."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from queue_store.alerting import alerts
from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.schedule.recurring import database_time
from queue_store.settings import ProcessorSettings
from tasks.alerts.channels import ChannelError, channel_for
from tasks.alerts.checking import check_queue
from tasks.alerts.sending import send_notifications, trial_message
from tasks.monitoring.databases import database_named
from tasks.monitoring.rules import JUDGED_CODES
from tests.support import filling

PREFIX = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_"
EVERYBODY = ["database_administrator", "infrastructure", "log", "management", "primary", "secondary"]


def finding(level: str = "warning", code: str = "failed_records") -> Finding:
    return Finding(
        code=code,
        level=level,
        message="alpha: 60 failed records.",
        next_step="look",
        flow_name="alpha",
        figure=60,
        threshold=50,
    )


def update(database: DatabaseManager, *findings: Finding, judged_at: datetime | None = None) -> None:
    with database.transaction() as cursor:
        alerts.update(cursor, findings, JUDGED_CODES, judged_at=judged_at)


def execute(database: DatabaseManager, statement: str) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode())


def notifications(database: DatabaseManager) -> list[tuple[Any, ...]]:
    """Returns the notifications that were stored since the last call."""
    with database.transaction() as cursor:
        rows = cursor.execute(
            "SELECT change, level, contact FROM alert_notices WHERE sent_at IS NULL ORDER BY id"
        ).fetchall()
        cursor.execute("UPDATE alert_notices SET sent_at = now()")
    return rows


def age(database: DatabaseManager, minutes: int) -> None:
    ago = f"- interval '{minutes} minutes'"
    execute(database, f"UPDATE alerts SET level_since = level_since {ago}, raised_at = raised_at {ago}")  # noqa: S608


def test_an_alert_is_opened_seen_again_and_resolved(database: DatabaseManager) -> None:
    update(database, finding())
    update(database, finding())
    with database.transaction() as cursor:
        (alert,) = alerts.read_alerts(cursor)
    assert (alert.level, alert.seen_count, alert.resolved_at) == ("warning", 2, None)
    assert notifications(database) == [("opened", "warning", "log"), ("opened", "warning", "primary")]
    update(database)
    assert notifications(database) == [("resolved", "warning", "log"), ("resolved", "warning", "primary")]
    update(database)
    assert notifications(database) == []
    update(database, finding())
    assert notifications(database)[0] == ("opened", "warning", "log")


def test_a_worse_level_notifies_and_a_better_one_does_not(database: DatabaseManager) -> None:
    update(database, finding())
    notifications(database)
    update(database, finding("critical"))
    assert notifications(database) == [("raised", "critical", "log"), ("raised", "critical", "primary")]
    update(database, finding())
    update(database, finding("critical"))  # down and up again at once: the contacts already know of this rise
    assert notifications(database) == []


def test_a_warning_is_escalated_once_after_half_an_hour(database: DatabaseManager) -> None:
    update(database, finding())
    notifications(database)
    age(database, 29)
    update(database, finding())
    assert notifications(database) == []
    age(database, 2)
    update(database, finding())
    assert notifications(database) == [("escalated", "warning", "log"), ("escalated", "warning", "secondary")]
    age(database, 300)
    update(database, finding())
    assert notifications(database) == []


@pytest.mark.parametrize(
    ("code", "specialist"),
    [("held_snapshot", "database_administrator"), ("failed_records", "infrastructure")],
)
def test_a_critical_alert_goes_along_the_list_every_quarter_of_an_hour(
    database: DatabaseManager, code: str, specialist: str
) -> None:
    critical = finding("critical", code)
    update(database, critical)
    heard = [notifications(database)[-1][2]]
    for _ in range(5):
        age(database, 16)
        update(database, critical)
        heard += [contact for _, _, contact in notifications(database) if contact != "log"]
    assert heard == ["primary", "secondary", specialist, "management"]


def test_nobody_is_escalated_to_once_somebody_looks_after_it(database: DatabaseManager) -> None:
    update(database, finding("critical"))
    notifications(database)
    with database.transaction() as cursor:
        (alert,) = alerts.read_alerts(cursor)
        assert alerts.acknowledge(cursor, alert.id, "anna")
        assert not alerts.acknowledge(cursor, alert.id, "ben")
    age(database, 60)
    update(database, finding("critical"))
    assert notifications(database) == []


def test_a_worse_level_needs_somebody_to_look_again(database: DatabaseManager) -> None:
    update(database, finding())
    with database.transaction() as cursor:
        alerts.acknowledge(cursor, alerts.read_alerts(cursor)[0].id, "anna")
    update(database, finding("critical"))
    with database.transaction() as cursor:
        assert alerts.read_alerts(cursor)[0].acknowledged_by is None


def test_an_emergency_notifies_everybody_at_once(database: DatabaseManager) -> None:
    update(database, finding("emergency", "corruption"))
    assert sorted(contact for _, _, contact in notifications(database)) == EVERYBODY


def test_what_was_not_judged_stays_open(database: DatabaseManager) -> None:
    update(database, finding())
    with database.transaction() as cursor:
        alerts.update(cursor, [], ["corruption"])
        assert alerts.read_alerts(cursor)[0].resolved_at is None


def test_an_alert_of_a_code_that_an_earlier_version_had_is_resolved(database: DatabaseManager) -> None:
    update(database, finding(code="messages_set_aside"))
    update(database)
    with database.transaction() as cursor:
        assert alerts.read_alerts(cursor) == []


def now(database: DatabaseManager) -> datetime:
    with database.transaction() as cursor:
        return database_time(cursor)


def test_who_judged_earlier_and_was_slower_does_not_open_again_what_is_resolved(
    database: DatabaseManager,
) -> None:
    began = now(database)
    update(database, finding())
    update(database)
    notifications(database)
    update(database, finding(), judged_at=began)
    assert notifications(database) == []
    with database.transaction() as cursor:
        assert alerts.read_alerts(cursor) == []
    update(database, finding(), judged_at=now(database))
    assert {change for change, _, _ in notifications(database)} == {"opened"}


def test_who_judged_earlier_and_was_slower_changes_nothing_that_was_seen_since(
    database: DatabaseManager,
) -> None:
    began = now(database)
    update(database, finding("critical"))
    notifications(database)
    update(database, finding("warning"), judged_at=began)
    update(database, judged_at=began)
    with database.transaction() as cursor:
        (alert,) = alerts.read_alerts(cursor)
    assert (alert.level, alert.seen_count) == ("critical", 1)
    update(database, judged_at=now(database))
    assert {change for change, _, _ in notifications(database)} == {"resolved"}


def test_a_judgement_counts_from_its_beginning(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a slow judgement runs, other judgements open the alert and then resolve it. The slow judgement does not
    open the alert again."""

    def judge_slowly(_: object) -> list[Finding]:
        update(database, finding())
        update(database)
        return [finding()]

    monkeypatch.setattr("tasks.alerts.judging.judge", judge_slowly)
    check_queue(database, ProcessorSettings(), notify=True)
    with database.transaction() as cursor:
        assert "failed_records" not in {alert.code for alert in alerts.read_alerts(cursor)}


def test_two_who_judge_at_once_open_one_alert(database: DatabaseManager) -> None:
    threads = [threading.Thread(target=update, args=(database, finding())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(notifications(database)) == 2


class Receiver:
    """A webhook that remembers the messages that it received. It answers with `status`."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(json.loads(body))
                self.send_response(receiver.status)
                self.send_header("Location", "http://169.254.169.254/")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Writes no log."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=hush"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


@pytest.fixture
def settings(receiver: Receiver, tmp_path: Path) -> ProcessorSettings:
    return ProcessorSettings(
        contact_primary=(receiver.url,), webhook_hosts=("127.0.0.1",), state_directory=str(tmp_path)
    )


def test_a_webhook_gets_every_change_once(
    database: DatabaseManager, settings: ProcessorSettings, receiver: Receiver
) -> None:
    update(database, finding())
    assert send_notifications(database, settings) == 4 - 2
    assert send_notifications(database, settings) == 0
    (message,) = receiver.received
    assert (message["change"], message["code"], message["figure"], message["threshold"]) == (
        "opened",
        "failed_records",
        60,
        50,
    )


def test_a_channel_that_fails_is_tried_again_with_the_same_number(
    database: DatabaseManager, settings: ProcessorSettings, receiver: Receiver
) -> None:
    receiver.status = 302
    update(database, finding())
    assert send_notifications(database, settings) == 1  # to the contact `log`
    with database.transaction() as cursor:
        (alert,) = alerts.read_alerts(cursor)
    assert alert.sending_error == "127.0.0.1: answered 302"
    assert send_notifications(database, settings) == 0  # the failed channel is not tried again at once
    execute(database, "UPDATE alert_notices SET taken_at = taken_at - interval '2 minutes'")
    receiver.status = 200
    assert send_notifications(database, settings) == 1
    assert len({message["notification_id"] for message in receiver.received}) == 1
    assert {message["notice_id"] for message in receiver.received} == {
        receiver.received[0]["notification_id"]
    }


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.com/hook", "plain http"),
        ("https://127.0.0.1/hook", "private address"),
        ("https://[::ffff:10.0.0.1]/hook", "private address"),
        ("https://169.254.169.254/hook", "private address"),
        ("https:///hook", "not the URL of a webhook"),
        ("nonsense://hush", "nonsense"),
    ],
)
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_channel_that_cannot_be_used_is_a_clear_error(url: str, problem: str) -> None:
    with pytest.raises(ChannelError, match=problem) as error:
        channel_for(url, ProcessorSettings()).send(
            {"level": "warning", "change": "opened", "message": "", "next_step": ""}
        )
    assert "hush" not in str(error.value)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_other_urls_go_through_apprise(settings: ProcessorSettings, receiver: Receiver) -> None:
    url = receiver.url.replace("http://", "json://")
    channel_for(url, settings).send(trial_message("primary"))
    assert "Nothing is wrong" in receiver.received[0]["message"]
    receiver.status = 500
    with pytest.raises(ChannelError, match="json: the message was not accepted"):
        channel_for(url, settings).send(trial_message("primary"))


def test_the_urls_of_channels_are_secret(settings: ProcessorSettings) -> None:
    assert "hush" not in repr(settings)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> DatabaseManager:
    monkeypatch.setattr("tasks.alerts.judging.TRY_AGAIN_SECONDS", 0)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/rpa_db")
    return database_named()


def test_that_the_database_is_gone_is_sent_without_it_once(
    unreachable: DatabaseManager, database: DatabaseManager, settings: ProcessorSettings, receiver: Receiver
) -> None:
    for _ in range(3):
        judgement = check_queue(unreachable, settings, notify=True)
        assert [(f.code, f.level) for f in judgement.findings] == [("database_unreachable", "emergency")]
    assert [(m["code"], m["change"]) for m in receiver.received] == [("database_unreachable", "opened")]
    database.name = unreachable.name
    check_queue(database, settings, notify=True)
    assert [(m["code"], m["change"]) for m in receiver.received][1] == ("database_unreachable", "resolved")


def test_a_check_without_notifying_sends_nothing(
    unreachable: DatabaseManager, settings: ProcessorSettings, receiver: Receiver
) -> None:
    check_queue(unreachable, settings, notify=False)
    assert receiver.received == []


def test_a_state_file_of_somebody_else_is_not_believed(
    unreachable: DatabaseManager, settings: ProcessorSettings, receiver: Receiver, tmp_path: Path
) -> None:
    check_queue(unreachable, settings, notify=True)
    (state,) = tmp_path.glob("*.unreachable")
    target = tmp_path / "elsewhere"
    state.rename(target)
    state.symlink_to(target)
    check_queue(unreachable, settings, notify=True)
    assert len(receiver.received) == 2


def test_judging_keeps_the_alerts(database: DatabaseManager, settings: ProcessorSettings) -> None:
    filling.add_failed(database, 60)
    check_queue(database, settings, notify=True)
    with database.transaction() as cursor:
        assert {alert.code for alert in alerts.read_alerts(cursor)} == {
            "failed_records",
            "beat_silent",
        }
    execute(database, "DELETE FROM processing_queue")
    check_queue(database, settings, notify=True)
    with database.transaction() as cursor:
        live = {alert.code for alert in alerts.read_alerts(cursor)}
    assert live == {"beat_silent"}
