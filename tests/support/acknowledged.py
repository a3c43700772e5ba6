"""Producers that note which records they tried to enqueue, and which of these records were acknowledged."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from queue_store.enqueueing import enqueue
from queue_store.errors import DatabaseUnavailableError
from tests.workers.processes import wait_until

RECORDS_PER_TRANSACTION = 5
PAUSE_SECONDS = 0.02
SLOW_SECONDS = 0.3


class Producer(threading.Thread):
    """Enqueues into one flow, transaction after transaction, and connects again if the connection breaks. Any other
    error fails the test. Each key is used once: a transaction without an acknowledgement is not repeated.
    `held_seconds`: how long each transaction stays open, as if an application did more work in it."""

    def __init__(self, url: str, prefix: str, flow_name: str, held_seconds: float = 0) -> None:
        super().__init__(name=prefix, daemon=True)
        self.tried: list[list[str]] = []
        self.ids: dict[str, int] = {}
        self._url, self._prefix, self._flow_name = url, prefix, flow_name
        self._held_seconds = held_seconds
        self._stopped = threading.Event()

    @property
    def acknowledged_count(self) -> int:
        return len(self.ids)

    def acknowledged(self) -> list[str]:
        return list(self.ids)

    def stop(self) -> None:
        """Stops after the current transaction."""
        self._stopped.set()
        self.join(60)
        assert not self.is_alive(), f"{self.name} waits for an answer"

    def run(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._stopped.wait(PAUSE_SECONDS):
            with suppress(psycopg.OperationalError, DatabaseUnavailableError):
                if connection is None or connection.closed:
                    connection = psycopg.connect(self._url, connect_timeout=5, application_name="producer")
                self._enqueue(connection)
        if connection is not None:
            connection.close()

    def _enqueue(self, connection: psycopg.Connection[Any]) -> None:
        keys = [f"{self._prefix}-{len(self.tried)}/{n}" for n in range(RECORDS_PER_TRANSACTION)]
        self.tried.append(keys)
        with connection.transaction():
            ids = {key: enqueue(connection, self._flow_name, {}, correlation_id=key).id for key in keys}
            time.sleep(self._held_seconds)
        self.ids.update(ids)


@contextmanager
def running_producers(
    url: str, flow_name: str = "with_effect", count: int = 2, slow: int = 0
) -> Iterator[list[Producer]]:
    """Starts the producers as soon as a worker has registered the flow. `slow`: the number of additional producers that
    each have a transaction open nearly all the time."""
    wait_until(lambda: _is_registered(url, flow_name), f"the flow {flow_name}", timeout_seconds=60)
    producers = [
        Producer(url, f"{flow_name}-{number}", flow_name, 0 if number < count else SLOW_SECONDS)
        for number in range(count + slow)
    ]
    for producer in producers:
        producer.start()
    try:
        yield producers
    finally:
        for producer in producers:
            producer.stop()


def _is_registered(url: str, flow_name: str) -> bool:
    with psycopg.connect(url) as connection:
        return (
            connection.execute("SELECT FROM flows WHERE flow_name = %s", [flow_name]).fetchone() is not None
        )


def acknowledged_by(producers: list[Producer]) -> int:
    return sum(producer.acknowledged_count for producer in producers)
