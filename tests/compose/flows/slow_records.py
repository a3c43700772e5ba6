"""A flow of its own for the containers: mounted where compose/README.md says, slow enough to be killed in it."""

import time
from typing import Any

from tasks import flow


@flow(batch_size=20)
def slow_record(payload: dict[str, Any]) -> None:
    time.sleep(payload["seconds"])
