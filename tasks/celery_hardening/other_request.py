"""Requests of an application's own tasks, which this worker runs in addition to durable ones."""

from typing import Any

from .believed_request import UnlimitedRequest

LIMITS_HEADER = "limits_in_child"


class OtherRequest(UnlimitedRequest):
    """The request has no time limit in the pool. Celery's pool would end the whole process at the limit, together
    with a run that works there. The child itself applies the limits that the message names: see
    tasks/background/other_tasks.py."""

    def __init__(self, message: Any, headers: Any = None, **options: Any) -> None:
        said = dict(message.headers if headers is None else headers)
        said[LIMITS_HEADER] = said.get("timelimit")
        super().__init__(message, headers=said, **options)
