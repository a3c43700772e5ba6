"""A flow whose handlers run in the main thread of a pool child, because they have a time limit."""

import time
from typing import Any

from tasks import flow


@flow(time_limit_seconds=30)
def limited(payload: Any) -> None:
    time.sleep(payload["seconds"])
