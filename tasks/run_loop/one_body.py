"""One body for plain and asynchronous handlers: a coroutine that waits only where the handler does.

The event loop runs it for an `async def` handler. For a plain one it never waits, so its first step is its last.
"""

from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

R = TypeVar("R")


def run_without_waiting(coroutine: Coroutine[Any, Any, R], context: Context | None = None) -> R:
    """Raises what the coroutine raises, and RuntimeError if the coroutine waits, which would be our bug. `context`:
    where to run it, instead of the current context."""
    try:
        if context is None:
            coroutine.send(None)
        else:
            context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("the body of a plain handler waited for something")
