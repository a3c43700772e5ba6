"""Calls a function for all contacts at the same time: a channel that hangs does not delay the other contacts."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TypeVar

from ..monitoring.deadline import start_call

T = TypeVar("T")
SECONDS = 30.0

logger = logging.getLogger(__name__)


class NoThreadError(Exception):
    """The system could start no thread for the contact, so the call was not made."""


# Contacts whose call has not ended. A thread cannot be stopped, so each contact has at most one thread.
_busy: set[str] = set()


def log_error(contact: str, error: BaseException) -> None:
    logger.error("sending to %s failed", contact, exc_info=error)


def fan_out_to_contacts(
    call: Callable[[str], T],
    contacts: Iterable[str],
    on_error: Callable[[str, BaseException], None] = log_error,
) -> dict[str, T]:
    """Run `call` for each contact in a thread of its own, and return the results by contact.

    The results do not include a contact whose call raises an error, has not ended after SECONDS, or gets no thread.
    Until that call has ended, this function makes no new call for the contact. `on_error` receives the error of a
    call, or a NoThreadError.
    """
    started = {contact: _start(call, contact) for contact in contacts if contact not in _busy}
    ended = wait(started.values(), SECONDS).done
    results: dict[str, T] = {}
    for contact, future in started.items():
        if future not in ended:
            continue
        if error := future.exception():
            on_error(contact, error)
        else:
            results[contact] = future.result()
    return results


def _start(call: Callable[[str], T], contact: str) -> Future[T]:
    def run() -> T:
        try:
            return call(contact)
        finally:
            _busy.discard(contact)

    _busy.add(contact)
    try:
        return start_call(run, thread_name=f"alert to {contact}")
    except RuntimeError as error:  # the system has no thread left; the next call tries again
        _busy.discard(contact)
        failed = Future[T]()
        failed.set_exception(NoThreadError(str(error)))
        return failed
