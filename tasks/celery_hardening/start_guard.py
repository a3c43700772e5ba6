"""If a worker ends again and again, a message in the broker may be the cause. Each start is noted in Redis under
the worker's node name, which stays the same when a supervisor or an orchestrator restarts the worker. A clean
shutdown removes the note. If at least three starts in the last two minutes had no clean shutdown, the next start
quarantines the Redis lists of the Celery queues that the worker serves."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

from queue_store.enqueueing.hints import connect
from queue_store.queue_schema import broker_key

from .quarantine import quarantine_queues

WINDOW_SECONDS = 120  # long enough for an orchestrator's growing pauses between restarts: 10 s, 20 s, 40 s
ABNORMAL_ENDS = 3
END_SECONDS = 2.0

logger = logging.getLogger(__name__)


class StartGuard:
    """Notes the starts of one worker. Its methods never raise. While the broker is unreachable, no note is needed,
    because the broker cannot deliver a message that kills the worker."""

    def __init__(self, broker_url: str, node_name: str, worker_id: str) -> None:
        self._broker_url = broker_url
        self._key = f"{broker_key('starts')}:{node_name}"
        self._member = worker_id

    def begin(self, queues: Sequence[str]) -> None:
        try:
            self._begin(connect(self._broker_url), queues)
        except Exception as error:  # noqa: BLE001
            logger.debug("this start could not be recorded: %s", type(error).__name__)

    def end(self) -> None:
        """Removes the note of this start. Waits END_SECONDS at most, because resolving the name of the broker's host
        can take a long time. A supervisor kills a worker that takes too long to end."""
        thread = threading.Thread(target=self._end, name="worker ends", daemon=True)
        thread.start()
        thread.join(END_SECONDS)

    def _end(self) -> None:
        try:
            connect(self._broker_url).zrem(self._key, self._member)
        except Exception as error:  # noqa: BLE001
            logger.debug("this end could not be recorded: %s", type(error).__name__)

    def _begin(self, client: Any, queues: Sequence[str]) -> None:
        now = client.time()[0]
        client.zremrangebyscore(self._key, 0, now - WINDOW_SECONDS)
        ends = int(client.zcard(self._key))
        if ends >= ABNORMAL_ENDS:
            why = f"a worker that serves this queue ended {ends} times in {WINDOW_SECONDS} s"
            count = quarantine_queues(client, queues, why)
            logger.error(
                "this worker ended %d times in %d s: the messages in %s (%d) are quarantined; no record is lost",
                ends, WINDOW_SECONDS, ", ".join(queues), count,
            )  # fmt: skip
            client.delete(self._key)
        client.zadd(self._key, {self._member: now})
        client.expire(self._key, WINDOW_SECONDS)
