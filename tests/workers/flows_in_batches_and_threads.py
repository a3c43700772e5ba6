"""A flow with a batch handler, and a flow whose plain handlers run in threads of their own."""

import time
from typing import Any

from tasks import FlowContext, flow


@flow(batch=True, batch_size=20)
def in_batches(contexts: list[FlowContext]) -> None:
    time.sleep(1)


@flow(concurrency=4)
def in_threads(payload: Any) -> None:
    time.sleep(payload["seconds"])
