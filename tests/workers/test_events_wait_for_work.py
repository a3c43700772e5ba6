"""Celery's events for Flower are sent after a message is passed to a pool child, so that the child does not wait for
them."""

from types import SimpleNamespace
from typing import Any

import pytest

from tasks.celery_hardening import resilient_consumer
from tasks.celery_hardening.resilient_consumer import EVENTS_SECONDS, ResilientConsumer


class Hub:
    def __init__(self) -> None:
        self.later: list[tuple[float, Any]] = []

    def call_later(self, delay: float, callback: Any) -> None:
        self.later.append((delay, callback))


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A consumer whose clock moves only when the test moves it."""
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(resilient_consumer.time, "monotonic", lambda: clock.now)
    consumer: Any = ResilientConsumer.__new__(ResilientConsumer)
    consumer.hub, consumer.clock_of_test = Hub(), clock
    consumer.event_dispatcher = SimpleNamespace(flush=lambda: None)
    return consumer


def test_many_events_are_sent_together_and_later(consumer: Any) -> None:
    for _ in range(3):
        consumer.on_send_event_buffered()
    assert consumer.hub.later == [(EVENTS_SECONDS, consumer.send_events)]


def test_events_are_sent_again_after_celery_forgot_to(consumer: Any) -> None:
    """Celery empties its hub when it connects again."""
    consumer.on_send_event_buffered()
    consumer.clock_of_test.now += EVENTS_SECONDS
    consumer.on_send_event_buffered()
    assert len(consumer.hub.later) == 2
