"""If no thread can be started for a contact, the other contacts are notified all the same, and the next call tries that
contact again."""

import logging
import threading

import pytest

from tasks.alerts.fan_out_to_contacts import fan_out_to_contacts

CONTACTS = ["log", "primary", "secondary"]


def test_only_this_call_leaves_the_contact_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = threading.Thread.start

    def start_unless_for_primary(thread: threading.Thread) -> None:
        if thread.name == "alert to primary":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(threading.Thread, "start", start_unless_for_primary)
        assert fan_out_to_contacts(str.upper, CONTACTS) == {"log": "LOG", "secondary": "SECONDARY"}
    assert "sending to primary failed" in caplog.text
    assert "can't start new thread" in caplog.text
    assert set(fan_out_to_contacts(str.upper, CONTACTS)) == set(CONTACTS)
