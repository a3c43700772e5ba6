"""The base class of the tasks of this package. This class decides which of these tasks a message may start."""

import logging
from typing import Any

from . import authority
from .believed_request import HIDDEN, OwnRequest
from .resilient_task import ResilientTask

logger = logging.getLogger(__name__)


class OwnTask(ResilientTask):
    """`wakes`: a message may start the task. `hides_arguments`: nobody may see the arguments, because they hold a
    payload. `tries_again`: the task uses Celery's retry."""

    abstract = True
    Request = f"{OwnRequest.__module__}:OwnRequest"
    wakes = False
    hides_arguments = False
    tries_again = False

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Runs the task if the calling code may start it. Otherwise, only logs a warning."""
        if not (authority.may_wake() if self.wakes else authority.may_act()):
            logger.warning(
                "%s was called by a message and did nothing: only the schedule may call it; operators use queuectl",
                self.name,
            )
            return None
        return super().__call__(*arguments, **options)

    def apply_async(self, *arguments: Any, **options: Any) -> Any:
        if self.hides_arguments:
            options |= {"argsrepr": HIDDEN, "kwargsrepr": HIDDEN}
        return super().apply_async(*arguments, **options)
