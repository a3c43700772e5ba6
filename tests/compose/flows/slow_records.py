"""A slow flow for the containers, so that tests can kill a container while the handler runs. compose/README.md says
where the modules of flows are mounted."""

import time
from typing import Any

from tasks import flow


@flow(batch_size=20)
def slow_record(payload: dict[str, Any]) -> None:
    time.sleep(payload["seconds"])
