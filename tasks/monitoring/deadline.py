"""Calls functions with a deadline. Each call runs in a thread of its own. A thread cannot be stopped. So if a call
hangs, its thread hangs, too, but the caller goes on."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from queue_store.errors import DatabaseUnavailableError

T = TypeVar("T")


def call_with_deadline(call: Callable[[], T], seconds: float, *, thread_name: str) -> T:
    """Return what the call to the database returns, and raise what the call raises.

    Raises DatabaseUnavailableError if the call has not ended after `seconds`. Without this limit, a call could hang
    indefinitely, because a server that hangs accepts connections, but sends neither a result nor an error.
    """
    started = start_call(call, thread_name=thread_name)
    if not wait([started], seconds).done:
        raise DatabaseUnavailableError(
            f"the database did not answer within {seconds:g} s: check whether the server hangs, and look at its disk "
            "and its load"
        )
    return started.result()


def start_call(call: Callable[[], T], *, thread_name: str) -> Future[T]:
    future = Future[T]()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001  (the future raises it)
            future.set_exception(error)

    threading.Thread(target=run, name=thread_name, daemon=True).start()
    return future
