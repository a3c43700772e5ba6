"""The flow `quick`, in a worker with a switch: while a file exists, the main process does not notice the death of a
child. Even without the file, the main process often notices a death some milliseconds late, because the child's pipe
closes first."""

import logging
import os
from pathlib import Path
from typing import Any

from celery.concurrency.asynpool import AsynPool

from tests.workers import flows_under_test

logger = logging.getLogger(__name__)
quick = flows_under_test.quick
replaces_the_dead: Any = AsynPool.maintain_pool


def maintain_pool(pool: Any) -> None:
    if Path(os.environ["NO_DEATH_IS_SEEN"]).exists():
        logger.warning("asked for deaths")
    else:
        replaces_the_dead(pool)


AsynPool.maintain_pool = maintain_pool  # type: ignore[method-assign]
