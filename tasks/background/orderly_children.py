"""Tells the children of a worker when they may begin to work, and asks them to stop. Celery itself does not report a
start without a broker, nor some of the ways in which a worker ends."""

import threading
from typing import Any

from celery import bootsteps

from ..worker.shared_slots import shared_slots

BROKER_SECONDS = 3.0  # how long the children wait for the broker


class OrderlyChildren(bootsteps.StartStopStep):
    """Lets the children work without a broker if the broker does not answer within BROKER_SECONDS. Asks the children to
    stop whenever the worker closes its pool: after a signal, after a command of the remote control, and after an error.
    Runs in the main process."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        _stop_before_a_cancel(parent.consumer)
        timer = threading.Timer(BROKER_SECONDS, _work_without_broker, (parent.consumer,))
        timer.daemon = True
        timer.start()

    def close(self, parent: Any) -> None:
        """Celery calls this before it waits for the children."""
        shared_slots.stop()


def _work_without_broker(consumer: Any) -> None:
    """Celery ends a worker if a child dies before the worker is ready. Celery looks for dead children only at the
    consumer's first start, so this function makes the next start count as a restart."""
    if not shared_slots.is_ready:
        consumer.restart_count += 1
        shared_slots.make_ready()


def _stop_before_a_cancel(consumer: Any) -> None:
    """Asks the children to stop before Celery cancels their messages. After SIGQUIT or a second Ctrl-C, Celery sends a
    signal to each child that works on a message, and waits for the children. Celery closes the pool only after this
    wait."""
    cancel = consumer.cancel_active_requests

    def stop_and_cancel() -> None:
        shared_slots.stop()
        cancel()

    consumer.cancel_active_requests = stop_and_cancel
