"""A flow whose worker notes when each hint arrives. FLOW_MODULES names this module, so the worker loads it.

The worker writes one line to STAGES_FILE for each stage of a hint: `received` when the main process has the message,
and `started` when a pool child begins the task. Each line ends with the time in seconds since the epoch.
"""

import os
import time
from typing import Any

from celery.signals import task_prerun, task_received

from tasks import flow


@flow
def no_op(payload: dict[str, Any]) -> None:
    pass


def _note_stages(file: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # the pool children inherit it

    def note(stage: str) -> None:
        os.write(descriptor, b"%b %.6f\n" % (stage.encode(), time.time()))

    task_received.connect(lambda **_: note("received"), weak=False)
    task_prerun.connect(lambda **_: note("started"), weak=False)


if "STAGES_FILE" in os.environ:
    _note_stages(os.environ["STAGES_FILE"])
