"""Requests for an application's own tasks, which a worker runs in addition to durable tasks."""

from typing import Any

from .believed_request import UnlimitedRequest

LIMITS_HEADER = "limits_in_child"


class OtherRequest(UnlimitedRequest):
    """Celery's pool applies no time limit to this request. Otherwise, the pool would end the whole process at the
    limit, together with any run in that process. Instead, the child itself applies the limits that the message names:
    see tasks/background/other_tasks.py."""

    def __init__(self, message: Any, headers: Any = None, **options: Any) -> None:
        said = dict(message.headers if headers is None else headers)
        said[LIMITS_HEADER] = said.get("timelimit")
        super().__init__(message, headers=said, **options)
