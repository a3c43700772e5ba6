"""The error for features of Celery that durable tasks do not support. The code that requests such a feature gets this
error at once."""


class NotDurableError(Exception):
    """A durable task does not support the requested feature. Nothing was written."""


def refuse(what: str, instead: str) -> NotDurableError:
    return NotDurableError(f"{what}: {instead}")
