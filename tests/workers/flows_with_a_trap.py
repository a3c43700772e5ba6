"""The flow `quick`, in a worker whose main process ends when it receives a certain message. Celery then returns this
message to the broker."""

from typing import Any

from celery.signals import task_received

from tests.workers import flows_under_test

quick = flows_under_test.quick


@task_received.connect
def end_at_the_trap(request: Any = None, **_: Any) -> None:
    if request.argsrepr == "trap":
        raise SystemExit(1)
