"""One coroutine calls both plain and asynchronous handlers. It waits only where the handler waits.

The event loop runs the coroutine for an `async def` handler. For a plain handler the coroutine never waits, so it
ends in its first step.
"""

from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

R = TypeVar("R")


def run_without_waiting(coroutine: Coroutine[Any, Any, R], context: Context | None = None) -> R:
    """Returns what the coroutine returns, and raises what it raises. Raises RuntimeError if the coroutine waits:
    that would be a bug in this package. `context`: the context to run the coroutine in, instead of the current
    one."""
    try:
        if context is None:
            coroutine.send(None)
        else:
            context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("the body of a plain handler waited for something")
