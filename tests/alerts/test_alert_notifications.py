"""The notifications of an alert are sent in the right order. No channel delays another channel."""

import threading
import time
from collections.abc import Collection
from concurrent.futures import Future, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from queue_store.alerting import alerts
from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.alerts import fan_out_to_contacts
from tasks.alerts.channels import ChannelError
from tasks.alerts.checking import check_queue
from tasks.alerts.sending import send_notifications
from tests.alerts.test_alerts import age, execute, finding, notifications, unreachable, update
from tests.workers.processes import wait_until

__all__ = ["unreachable"]
SETTINGS = ProcessorSettings(contact_primary=("test://primary",), contact_secondary=("test://secondary",))


class Channels:
    """Remembers the notifications in order. `broken`: contacts whose channels raise ChannelError. `hanging`: contacts
    whose channels wait, each with the event that ends the wait."""

    def __init__(self) -> None:
        self.notified: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.broken: set[str] = set()
        self.hanging: dict[str, threading.Event] = {}

    def of(self, contact: str, settings: ProcessorSettings) -> list[Any]:
        return [] if contact != "log" and not getattr(settings, f"contact_{contact}") else [self]

    def send(self, message: dict[str, Any]) -> None:
        contact = str(message["contact"])
        if contact in self.hanging:
            self.hanging[contact].wait(20)
        if contact in self.broken:
            raise ChannelError("broken")
        self.notified.append((contact, str(message["change"])))
        self.ids.append(str(message["notification_id"]))


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Channels:
    channels = Channels()
    monkeypatch.setattr("tasks.alerts.sending.channels_of", channels.of)
    return channels


def test_a_second_rise_notifies_and_is_escalated_again(database: DatabaseManager) -> None:
    update(database, finding("critical"))
    age(database, 16)
    update(database, finding("critical"))
    assert ("escalated", "critical", "secondary") in notifications(database)
    update(database, finding("warning"))
    age(database, 3 * 24 * 60)
    update(database, finding("critical"))
    assert notifications(database) == [("raised", "critical", "log"), ("raised", "critical", "primary")]
    age(database, 16)
    update(database, finding("critical"))
    assert notifications(database) == [
        ("escalated", "critical", "log"),
        ("escalated", "critical", "secondary"),
    ]


def test_a_short_dip_does_not_start_the_clock_of_escalation_anew(database: DatabaseManager) -> None:
    update(database, finding("critical"))
    notifications(database)
    age(database, 14)
    update(database, finding("warning"))
    update(database, finding("critical"))
    assert notifications(database) == []
    age(database, 2)
    update(database, finding("critical"))
    assert notifications(database) == [
        ("escalated", "critical", "log"),
        ("escalated", "critical", "secondary"),
    ]


def test_a_level_that_is_new_notifies_at_once(database: DatabaseManager) -> None:
    for level, change in (("warning", "opened"), ("critical", "raised"), ("emergency", "raised")):
        update(database, finding(level))
        assert notifications(database)[0] == (change, level, "log")


def test_what_could_not_be_sent_in_time_is_not_sent_after_the_end(
    database: DatabaseManager, channels: Channels
) -> None:
    channels.broken.add("primary")
    update(database, finding())
    send_notifications(database, SETTINGS)
    update(database)
    channels.broken.clear()
    execute(database, "UPDATE alert_notices SET taken_at = taken_at - interval '2 minutes'")
    send_notifications(database, SETTINGS)
    assert channels.notified == [("log", "opened"), ("log", "resolved")]


def test_the_end_is_not_sent_before_the_beginning(database: DatabaseManager, channels: Channels) -> None:
    """A sender has taken the notification `opened`. Nobody knows whether the sender has delivered `opened`, so the
    notification `resolved` must wait."""
    update(database, finding())
    with database.transaction() as cursor:
        assert alerts.take_notification(cursor, "primary") is not None
    update(database)
    send_notifications(database, SETTINGS)
    assert ("primary", "resolved") not in channels.notified
    execute(database, "UPDATE alert_notices SET taken_at = taken_at - interval '2 minutes'")
    send_notifications(database, SETTINGS)
    assert [change for contact, change in channels.notified if contact == "primary"] == ["opened", "resolved"]


def test_a_process_without_the_contact_leaves_its_notification_to_others(
    database: DatabaseManager, channels: Channels
) -> None:
    update(database, finding())
    assert send_notifications(database, ProcessorSettings()) == 1
    assert send_notifications(database, SETTINGS) == 1
    assert channels.notified == [("log", "opened"), ("primary", "opened")]


def test_a_channel_that_hangs_keeps_nobody_else_waiting(
    database: DatabaseManager, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_after_the_others(calls: Collection[Future[Any]], seconds: float) -> Any:
        """Waits until the two calls that do not hang have ended, and then starts the time limit. So the test also
        passes on a slow machine."""
        wait_until(lambda: sum(call.done() for call in calls) == 2, "the other contacts")
        return wait(calls, seconds)

    monkeypatch.setattr(fan_out_to_contacts, "SECONDS", 0.1)
    monkeypatch.setattr(fan_out_to_contacts, "wait", wait_after_the_others)
    goes_on = channels.hanging["primary"] = threading.Event()
    update(database, finding("emergency", "corruption"))
    assert send_notifications(database, SETTINGS) == 2
    assert sorted(channels.notified) == [("log", "opened"), ("secondary", "opened")]
    execute(database, "UPDATE alert_notices SET taken_at = taken_at - interval '2 minutes'")
    # The first call still hangs, so no second call is made.
    assert send_notifications(database, SETTINGS) == 0
    goes_on.set()
    hanging = [thread for thread in threading.enumerate() if thread.name == "alert to primary"]
    for thread in hanging:
        thread.join(30)
    assert sorted(channels.notified) == [("log", "opened"), ("primary", "opened"), ("secondary", "opened")]


def test_that_the_database_is_back_is_sent_until_it_is_delivered(
    unreachable: DatabaseManager, database: DatabaseManager, channels: Channels, tmp_path: Path
) -> None:
    settings = ProcessorSettings(contact_primary=("test://primary",), state_directory=str(tmp_path))
    check_queue(unreachable, settings, notify=True)
    database.name = unreachable.name
    channels.broken.add("primary")
    check_queue(database, settings, notify=True)
    channels.broken.clear()
    channels.notified.clear()
    check_queue(database, settings, notify=True)
    check_queue(database, settings, notify=True)
    assert channels.notified.count(("primary", "resolved")) == 1


def test_a_second_outage_is_a_new_one_though_the_end_of_the_first_was_not_delivered_to_all(
    unreachable: DatabaseManager,
    database: DatabaseManager,
    channels: Channels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [time.time()]
    monkeypatch.setattr("tasks.alerts.unusable.time", SimpleNamespace(time=lambda: now[0]))
    settings = ProcessorSettings(
        contact_primary=("test://primary",),
        contact_secondary=("test://secondary",),
        state_directory=str(tmp_path),
    )
    database.name = unreachable.name
    check_queue(unreachable, settings, notify=True)
    channels.broken.add("secondary")
    check_queue(database, settings, notify=True)
    channels.broken.clear()
    first_ids = set(channels.ids)
    channels.notified.clear()
    channels.ids.clear()
    now[0] += 3600
    check_queue(unreachable, settings, notify=True)
    assert sorted(channels.notified) == [
        ("log", "opened"),
        ("primary", "opened"),
        ("secondary", "opened"),
    ]
    assert first_ids.isdisjoint(channels.ids)
