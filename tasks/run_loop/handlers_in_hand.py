"""The handlers that a run is calling. Through this class, the heartbeat reads which handler began first, and ends
the process if a handler must not go on."""

import time
from collections.abc import Callable

from queue_store.liveness.worker_processes import EndRequest, InHand
from queue_store.runs.run import Run

from .limits import Limits
from .stuck_handlers import StuckHandler


class HandlersInHand:
    """`give_up` ends the process and does not return. `patience_seconds`: how long a handler without a time limit
    may run."""

    def __init__(
        self, run: Run, limits: Limits, give_up: Callable[[list[StuckHandler]], None], patience_seconds: float
    ) -> None:
        self._run = run
        self._limits = limits
        self._give_up = give_up
        self._patience_seconds = patience_seconds

    def oldest(self) -> InHand | None:
        """Returns the first record of the oldest call. None if no handler is running."""
        calls = self._limits.calls()
        if not calls:
            return None
        records, started = calls[0]
        run = self._run
        return InHand(
            record_id=records[0].id,
            claim_number=records[0].claim_number,
            seconds=time.monotonic() - started,
            flow_name=run.options.flow_name,
            flow_instance_id=run.flow_instance_id,
        )

    def end(self, request: EndRequest) -> None:
        """End a handler at an operator's request. The attempt is charged, the other records are given back, and the
        process ends. Returns only if no handler of this process is processing the request's record under the request's
        claim."""
        for records, started in self._limits.calls():
            for record in records:
                if (record.id, record.claim_number) == (request.record_id, request.claim_number):
                    now = time.monotonic()
                    who = (
                        f"{request.requested_by}: {request.reason}"
                        if request.reason
                        else request.requested_by
                    )
                    self._give_up([StuckHandler([record], started, now, now - started, ended_by=who)])

    def end_overdue(self) -> None:
        """End the process if a handler without a time limit has run for `patience_seconds`. `patience_seconds` is a
        little less than the orphan timeout. The attempt is charged. If the process went on, the record would become an
        orphan without a charge, and could hang one process after another."""
        if self._limits.are_enforced:
            return
        hung_before = time.monotonic() - self._patience_seconds
        hung = [
            StuckHandler(records, started, started + self._patience_seconds, self._patience_seconds)
            for records, started in self._limits.calls()
            if started <= hung_before
        ]
        if hung:
            self._give_up(hung)
