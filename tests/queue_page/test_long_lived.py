"""A full garbage collection in Flower skips what was loaded at the start. So views of a thousand flows stay fast."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, cast

from tasks.queue_page.bounded_server import bounded_server


async def serve(application: Any) -> int | None:
    return bounded_server(application)


def test_a_server_keeps_what_is_loaded() -> None:
    options = SimpleNamespace(unix_socket="", port=0, address="127.0.0.1", xheaders=False)
    application = cast("Any", SimpleNamespace(options=options, ssl_options=None))
    try:
        assert asyncio.run(serve(application))
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
