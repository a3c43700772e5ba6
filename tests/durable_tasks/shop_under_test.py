"""An application in a module of its own, as a team would write it. A worker imports this module."""

import os
import signal
import threading
import time
from typing import Any

import psycopg

from tasks.celery import DurableCelery

app = DurableCelery("shop", durable=["shop.*"])


@app.task(name="shop.note", bind=True)
def note(self: Any, text: str) -> str:
    effect(text)
    return text


@app.task(name="shop.die")
def die(text: str) -> None:
    effect(text)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="shop.die_late", acks_late=True)
def die_late(text: str) -> None:
    effect(text)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="shop.slow")
def slow(text: str) -> None:
    with together("shop.slow"):
        time.sleep(0.2)


@app.task(name="plain.slow")
def plain_slow(text: str) -> None:
    with together("plain.slow"):
        time.sleep(0.2)
    effect(text)


@app.task(name="plain.endless", time_limit=3)  # long enough to write its effect, even on a slow machine
def plain_endless(text: str) -> None:
    effect(text)
    time.sleep(300)


@app.task(name="plain.too_slow", soft_time_limit=1)
def plain_too_slow(text: str) -> None:
    from celery.exceptions import SoftTimeLimitExceeded

    try:
        time.sleep(300)
    except SoftTimeLimitExceeded:
        effect(text)


def effect(text: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("INSERT INTO task_effects (text, pid) VALUES (%s, %s)", (text, os.getpid()))


_at_work = threading.Lock()


class together:  # noqa: N801  (a context manager)
    """Writes an effect if two tasks run at the same time in this process."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        if not _at_work.acquire(blocking=False):
            effect(f"two at a time: {self._name}")
            _at_work.acquire()

    def __exit__(self, *_: Any) -> None:
        _at_work.release()
