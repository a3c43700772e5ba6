"""What a group of exceptions means. Every `asyncio.TaskGroup` raises a group, even for a single error."""

from collections.abc import Iterator

from ..exceptions import PermanentError, RecordCancelled, SnoozeRecord

_MEANINGS = (SnoozeRecord, RecordCancelled, PermanentError)


def leaves_of(error: BaseException) -> list[BaseException]:
    """All exceptions in a group that are not groups themselves, at any depth. The error itself if it is not a
    group."""
    return list(_leaves(error))


def decisive(error: BaseException) -> BaseException:
    """The leaf that represents a group whose leaves agree. They agree if all ask for a snooze (the longest counts),
    all for a cancellation or all for no further attempt, or if all have the same type. Otherwise returns the error
    itself."""
    leaves = leaves_of(error)
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
