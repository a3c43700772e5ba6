"""All contacts are told at the same time: one whose channel hangs keeps nobody else waiting."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
SECONDS = 30.0

# Contacts whose channel still hangs. A thread cannot be ended, so there is one at most for each.
_busy: set[str] = set()


def fan_out_to_contacts(
    work: Callable[[str], T], contacts: Iterable[str], seconds: float = SECONDS
) -> dict[str, T]:
    """What the work returned for each contact that had an end in time. One that hangs since an earlier call is left
    out."""
    done: dict[str, T] = {}
    threads = [_start(work, contact, done) for contact in contacts if contact not in _busy]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(done)


def _start(work: Callable[[str], T], contact: str, done: dict[str, T]) -> threading.Thread:
    def run() -> None:
        try:
            done[contact] = work(contact)
        finally:
            _busy.discard(contact)

    _busy.add(contact)
    thread = threading.Thread(target=run, name=f"alert to {contact}", daemon=True)
    thread.start()
    return thread
