"""A flow with a time limit."""

import time
from typing import Any

from tasks import flow


@flow(time_limit_seconds=30)
def limited(payload: Any) -> None:
    time.sleep(payload["seconds"])
