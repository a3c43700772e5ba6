"""Notifications reach people, whichever process judges the queue. A process without the channel stores the
notifications, and a process with the channel sends them."""

import os
import subprocess
import sys
import threading
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result

from queue_store.alerting import alerts, contacts
from queue_store.alerting.contacts import Contact
from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.liveness.worker_processes import take_sentinel_lease
from queue_store.settings import ProcessorSettings
from tasks.alerts.checking import check_queue
from tasks.alerts.sending import send_notifications
from tasks.background.sentinel import Sentinel
from tasks.cli import main
from tasks.monitoring.rules import contact_rules
from tests.alerts.test_alert_notifications import SETTINGS, Channels, channels
from tests.alerts.test_alerts import Receiver, execute, finding, receiver, update
from tests.support import filling
from tests.support.flow_runs import Worker, running_worker

__all__ = ["channels", "receiver"]
PREFIX = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_"
NOBODY = ProcessorSettings()


def rows(database: DatabaseManager, statement: str) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        return cursor.execute(statement.encode()).fetchall()


def known(database: DatabaseManager) -> list[Contact]:
    with database.transaction() as cursor:
        return contacts.read_contacts(cursor)


def register(database: DatabaseManager, *names: str, minutes_ago: float = 0) -> None:
    with database.transaction() as cursor:
        contacts.register(cursor, names, "worker")
        cursor.execute(
            "UPDATE alert_contacts SET last_seen_at = now() - make_interval(secs => %s) WHERE contact = ANY(%s)",
            (minutes_ago * 60, list(names)),
        )


def missing(database: DatabaseManager) -> list[Finding]:
    found = check_queue(database, NOBODY, notify=True).findings
    return [finding for finding in found if finding.code == "contact_without_channel"]


def check_in_another_process(environment: dict[str, str], **settings: str) -> None:
    subprocess.run(
        [sys.executable, "-c", "from tasks.cli import main; main()", "check", "--notify"],
        env=environment | {PREFIX + name: value for name, value in settings.items()},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_one_process_registers_another_judges_and_the_first_sends(
    database: DatabaseManager, settings_environment: dict[str, str], receiver: Receiver
) -> None:
    with_channel = {"CONTACT_PRIMARY": receiver.url, "WEBHOOK_HOSTS": "127.0.0.1"}
    check_in_another_process(settings_environment, **with_channel)
    receiver.received.clear()
    filling.add_failed(database, 60)
    check_in_another_process(settings_environment)
    assert receiver.received == []
    assert rows(
        database,
        "SELECT contact, try_count FROM alert_notices JOIN alerts a ON a.id = alert_id"
        " WHERE a.code = 'failed_records' AND sent_at IS NULL",
    ) == [("primary", 0)]
    check_in_another_process(settings_environment, **with_channel)
    check_in_another_process(settings_environment, **with_channel)
    told = [m["change"] for m in receiver.received if m["code"] == "failed_records"]
    assert told == ["opened"]
    (contact,) = known(database)
    assert (contact.contact, contact.process_kind, contact.waiting_count) == ("primary", "queuectl check", 0)


def test_an_address_never_reaches_the_database(database: DatabaseManager, receiver: Receiver) -> None:
    settings = ProcessorSettings(contact_primary=(receiver.url,), webhook_hosts=("127.0.0.1",))
    filling.add_failed(database, 60)
    check_queue(database, settings, notify=True)
    stored = rows(
        database, "SELECT t::text FROM alert_contacts t UNION ALL SELECT t::text FROM alert_notices t"
    )
    assert len(stored) > 1
    assert not any("hush" in text or "127.0.0.1" in text for (text,) in stored)
    with pytest.raises(psycopg.errors.CheckViolation):
        register(database, receiver.url)


def test_a_worker_that_is_not_the_sentinel_sends_what_it_has_the_channel_for(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch, channels: Channels
) -> None:
    """The sentinel has no channel, and no beat is running. So only the worker's own check can send the notification."""
    with running_worker(clean_database_url, monkeypatch, contact_primary=("test://primary",)) as worker:
        database = worker.services.database
        take_lease_elsewhere(worker)
        update(database, finding("emergency", "corruption"))
        assert send_notifications(database, NOBODY) == 1  # to the contact `log`
        Sentinel(worker.services).check()
        Sentinel(worker.services).check()
        assert channels.notified == [("log", "opened"), ("primary", "opened")]
        assert [(c.contact, c.process_kind, c.pid) for c in known(database)] == [
            ("primary", "worker", os.getpid())
        ]


def take_lease_elsewhere(worker: Worker) -> None:
    with worker.services.database.transaction() as cursor:
        assert take_sentinel_lease(cursor, uuid4(), 25)


def test_a_process_without_the_channel_counts_no_failure(
    database: DatabaseManager, channels: Channels
) -> None:
    channels.broken.add("primary")
    update(database, finding())
    for _ in range(alerts.NOTIFICATION_TRIES + 1):
        send_notifications(database, NOBODY)
    channels.broken.clear()
    assert send_notifications(database, SETTINGS) == 1
    assert channels.notified == [("log", "opened"), ("primary", "opened")]


def test_two_senders_at_once_send_once(database: DatabaseManager, channels: Channels) -> None:
    """The first sender has taken the notification. While the channel of the first sender hangs, the second sender looks
    for notifications."""
    goes_on = channels.hanging["primary"] = threading.Event()
    update(database, finding())
    first = threading.Thread(target=send_notifications, args=(database, SETTINGS))
    first.start()
    while not rows(database, "SELECT FROM alert_notices WHERE contact = 'primary' AND taken_at IS NOT NULL"):
        pass
    with database.transaction() as cursor:
        assert alerts.take_notification(cursor, "primary") is None
    goes_on.set()
    first.join(20)
    assert channels.notified.count(("primary", "opened")) == 1


def test_a_contact_that_comes_late_hears_of_what_is_open(
    database: DatabaseManager, channels: Channels
) -> None:
    """No contact was known when the alert was opened, as in a new or a restored database."""
    assert known(database) == []
    update(database, finding("critical"))
    update(database, finding("critical"), finding("critical", "backlog"))
    update(database, finding("critical", "backlog"))
    send_notifications(database, SETTINGS)
    assert [item for item in channels.notified if item[0] == "primary"] == [("primary", "opened")]


def test_a_contact_that_nobody_ever_set_is_not_missed(database: DatabaseManager) -> None:
    assert missing(database) == []


def test_names_that_are_lost_come_back_with_the_next_check(
    database: DatabaseManager, channels: Channels
) -> None:
    check_queue(database, SETTINGS, notify=True)
    execute(database, "DELETE FROM alert_contacts")
    check_queue(database, SETTINGS, notify=True)
    assert [contact.contact for contact in known(database)] == ["primary", "secondary"]


def test_many_processes_write_one_row_in_twenty_seconds(database: DatabaseManager) -> None:
    register(database, "primary")
    before = rows(database, "SELECT xmin::text FROM alert_contacts")
    with database.transaction() as cursor:
        contacts.register(cursor, ["primary"], "worker")
    assert rows(database, "SELECT xmin::text FROM alert_contacts") == before
    register(database, "primary", minutes_ago=1)
    with database.transaction() as cursor:
        contacts.register(cursor, ["primary"], "worker")
    assert known(database)[0].silent_seconds < 30


def test_a_contact_that_no_process_has_any_more_is_found_and_everybody_else_hears(
    database: DatabaseManager,
) -> None:
    register(database, "secondary")
    register(database, "primary", minutes_ago=9)
    assert missing(database) == []
    register(database, "primary", minutes_ago=11)
    (found,) = missing(database)
    assert found.level == "warning"
    assert f"primary for 11 minutes (the last was the worker with pid {os.getpid()}" in found.message
    assert (found.figure or 0) > (found.threshold or 0) == contact_rules.SILENT_SECONDS
    assert "CONTACT_PRIMARY" in found.next_step
    told = rows(
        database,
        "SELECT contact FROM alert_notices JOIN alerts a ON a.id = alert_id"
        " WHERE a.code = 'contact_without_channel' ORDER BY contact",
    )
    assert ("secondary",) in told
    register(database, "primary")
    assert missing(database) == []


def test_that_nobody_can_be_notified_is_critical(database: DatabaseManager) -> None:
    register(database, "primary", "management", minutes_ago=11)
    (found,) = missing(database)
    assert (found.level, found.message.startswith("Nobody can be notified.")) == ("critical", True)


def test_grave_alerts_that_nobody_can_hear_of_are_found_until_somebody_can_or_looks(
    database: DatabaseManager,
) -> None:
    """No contact was ever set."""
    filling.add_failed(database, 120)
    assert missing(database) == []
    execute(database, "UPDATE alert_notices SET created_at = now() - interval '11 minutes'")
    (found,) = missing(database)
    assert found.level == "critical"
    assert "Nobody can be notified: no process has a channel to any contact. 1 grave alert" in found.message
    assert "CONTACT_PRIMARY" in found.next_step
    execute(database, "UPDATE alert_notices SET created_at = now() - interval '11 minutes'")
    (found,) = missing(database)
    assert "1 grave alert" in found.message  # the alert about the missing contact does not count
    register(database, "primary")
    assert missing(database) == []
    execute(database, "DELETE FROM alert_contacts")
    execute(database, "UPDATE alerts SET acknowledged_at = now(), acknowledged_by = 'anna'")
    assert missing(database) == []


def test_warnings_that_nobody_can_hear_of_are_no_trouble(database: DatabaseManager) -> None:
    filling.add_failed(database, 60)
    assert missing(database) == []
    execute(database, "UPDATE alert_notices SET created_at = now() - interval '11 minutes'")
    assert missing(database) == []


def test_a_contact_that_was_gone_for_a_week_leaves(database: DatabaseManager) -> None:
    register(database, "primary", minutes_ago=7 * 24 * 60 + 1)
    assert missing(database) != []
    assert known(database) == []
    assert missing(database) == []


def queuectl(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_contact_that_was_removed_on_purpose_is_forgotten(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    register(database, "primary", minutes_ago=11)
    assert missing(database) != []
    done = queuectl("alerts", "--forget", "primary", "--actor", "anna")
    assert (done.exit_code, done.stdout.split()[:3]) == (0, ["primary", "is", "forgotten."])
    assert missing(database) == []
    assert (
        rows(
            database,
            "SELECT FROM alert_notices WHERE contact = 'primary' AND dropped_at IS NULL AND sent_at IS NULL",
        )
        == []
    )
    assert rows(database, "SELECT actor, action, target FROM audit_log") == [
        ("anna", "forget contact", "primary")
    ]
    again = queuectl("alerts", "--forget", "primary")
    assert (again.exit_code, "nothing to forget" in again.output) == (1, True)
    both = queuectl("alerts", "--forget", "primary", "--test")
    assert (both.exit_code, "only one of" in both.output) == (64, True)
