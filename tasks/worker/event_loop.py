"""The one event loop of a worker process. The loop has a thread of its own, so that claims and writes never block
it. If a handler blocks the loop, the outcomes of other records are still written."""

import asyncio
import concurrent.futures
import logging
import os
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

R = TypeVar("R")

EX_SOFTWARE = 70

logger = logging.getLogger(__name__)


async def end_cancellation() -> None:
    """Call this in the asyncio task in which a handler has run. If the handler cancelled this task and then returned,
    the cancellation ends here. Otherwise asyncio would interrupt the next `await` of this task, or drop its result."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        while task.uncancel():
            pass


async def _to_its_end(coroutine: Coroutine[Any, Any, R]) -> R:
    result = await coroutine
    await end_cancellation()
    return result


class EventLoop:
    """Create the loop after the fork, for the first async flow."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="event_loop", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self.loop.close()  # otherwise the files of the loop would stay open
            raise

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run the coroutine and wait for its result. Call this from a thread other than the loop's."""
        try:
            return asyncio.run_coroutine_threadsafe(_to_its_end(coroutine), self.loop).result()
        except concurrent.futures.CancelledError:
            coroutine.close()  # if the task was cancelled before it began, nobody has awaited the coroutine
            raise

    def close(self) -> None:
        """Cancels the asyncio tasks that handlers have left running, and stops the loop."""
        self._is_closing = True
        self.loop.call_soon_threadsafe(self._cancel_all)
        self._thread.join(1)

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_soon(self.loop.stop)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self._is_closing:
            try:
                self.loop.run_forever()
            except OSError:
                # A handler closed the loop's own files. The loop can neither run asyncio tasks any more nor end them
                # properly.
                logger.critical("a handler broke the event loop: this process ends", exc_info=True)
                os._exit(EX_SOFTWARE)
            except BaseException:  # for example SystemExit in a task that a handler started and did not await
                logger.exception("a task of a handler raised an error in the event loop; the loop goes on")
        self.loop.close()
