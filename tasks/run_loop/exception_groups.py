"""What a group of exceptions means. Every `asyncio.TaskGroup` raises one, even for a single error in it."""

from collections.abc import Iterator

from ..exceptions import PermanentError, RecordCancelled, SnoozeRecord

_MEANINGS = (SnoozeRecord, RecordCancelled, PermanentError)


def leaves_of(error: BaseException) -> list[BaseException]:
    """The exceptions that are no groups, at any depth; the error itself where it is none."""
    return list(_leaves(error))


def decisive(error: BaseException) -> BaseException:
    """The leaf that stands for a group whose leaves agree: all ask for a snooze (the longest counts), a cancel or no
    further attempt, or all are of one type. Otherwise the error itself."""
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
