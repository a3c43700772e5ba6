"""A worker that ends again and again may be killed by a message in the broker. Each start is noted in Redis under
the worker's node name, which stays the same when a supervisor or an orchestrator restarts the worker. A clean
shutdown removes the note. After three starts in two minutes without a clean shutdown, the lists that the worker
serves are quarantined."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

from queue_store.enqueueing.hints import connect
from queue_store.queue_schema import broker_key

from .quarantine import quarantine_queues

WINDOW_SECONDS = 120  # an orchestrator's pauses between restarts grow: 10 s, 20 s, 40 s
ABNORMAL_ENDS = 3
END_SECONDS = 2.0

logger = logging.getLogger(__name__)


class StartGuard:
    """Notes the starts of one worker. Its methods never raise: a broker that is away cannot deliver a message that
    kills the worker."""

    def __init__(self, broker_url: str, node_name: str, worker_id: str) -> None:
        self._broker_url = broker_url
        self._key = f"{broker_key('starts')}:{node_name}"
        self._member = worker_id

    def begin(self, queues: Sequence[str]) -> None:
        try:
            self._begin(connect(self._broker_url), queues)
        except Exception as error:  # noqa: BLE001
            logger.debug("this start could not be noted: %s", type(error).__name__)

    def end(self) -> None:
        """Removes the note of this start. Waits END_SECONDS at most, because looking up a broker's name may take
        longer than a supervisor waits for the end."""
        thread = threading.Thread(target=self._end, name="worker ends", daemon=True)
        thread.start()
        thread.join(END_SECONDS)

    def _end(self) -> None:
        try:
            connect(self._broker_url).zrem(self._key, self._member)
        except Exception as error:  # noqa: BLE001
            logger.debug("this end could not be noted: %s", type(error).__name__)

    def _begin(self, client: Any, queues: Sequence[str]) -> None:
        now = client.time()[0]
        client.zremrangebyscore(self._key, 0, now - WINDOW_SECONDS)
        ends = int(client.zcard(self._key))
        if ends >= ABNORMAL_ENDS:
            why = f"a worker that serves this queue ended {ends} times in {WINDOW_SECONDS} s"
            count = quarantine_queues(client, queues, why)
            logger.error(
                "this worker ended %d times in %d s: the messages in %s (%d) are quarantined, no record is lost",
                ends, WINDOW_SECONDS, ", ".join(queues), count,
            )  # fmt: skip
            client.delete(self._key)
        client.zadd(self._key, {self._member: now})
        client.expire(self._key, WINDOW_SECONDS)
