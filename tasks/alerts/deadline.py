"""A server that hangs answers neither with a result nor with an error: nobody may wait for it without a bound."""

import threading
from collections.abc import Callable
from typing import TypeVar

from queue_store.errors import DatabaseUnavailableError

T = TypeVar("T")


def call_with_deadline(seconds: float, work: Callable[[], T]) -> T:
    """What the work returns or raises; DatabaseUnavailableError when it has no end in time. Its thread is left."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  (raised again below)
            errors.append(error)

    thread = threading.Thread(target=run, name="with deadline", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise DatabaseUnavailableError(
            f"the database did not answer within {seconds:g} s: check whether the server hangs, its disk and its load"
        )
    return results[0]
