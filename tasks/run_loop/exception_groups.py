"""Finds the exception that decides the outcome if a handler raises a group of exceptions. An `asyncio.TaskGroup`
raises a group even for a single error."""

from collections.abc import Iterator

from ..exceptions import PermanentError, RecordCancelled, SnoozeRecord

_MEANINGS = (SnoozeRecord, RecordCancelled, PermanentError)


def leaves_of(error: BaseException) -> list[BaseException]:
    """Returns all exceptions of a group and of the groups inside it, but not the groups themselves. For an error that
    is not a group, or is a group that cannot be read, returns only this error. Never raises."""
    try:
        return list(_leaves(error)) or [error]
    except BaseException:  # noqa: BLE001  (the groups are nested too deeply, or their class is the handler's own)
        return [error]


def decisive(error: BaseException) -> BaseException:
    """If the leaves of the group (see `leaves_of`) agree, returns one of them. Otherwise returns the group itself.
    The leaves agree if all of them ask for the same thing (a snooze, a cancellation or no further attempt), or have the
    same type. If all of them ask for a snooze, returns the leaf with the longest delay. Never raises: for an error that
    cannot be read, returns the error itself."""
    try:
        return _agreed(error, leaves_of(error))
    except BaseException:  # noqa: BLE001
        return error


def _agreed(error: BaseException, leaves: list[BaseException]) -> BaseException:
    for meaning in _MEANINGS:
        if all(isinstance(leaf, meaning) for leaf in leaves):
            return max(leaves, key=lambda leaf: leaf.delay_seconds if isinstance(leaf, SnoozeRecord) else 0)
    return leaves[0] if len({type(leaf) for leaf in leaves}) == 1 else error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
