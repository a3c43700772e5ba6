"""The error for features of Celery that durable tasks do not support. It is raised where the feature is requested."""


class NotDurableError(Exception):
    """A durable task does not support the requested feature. Nothing was written."""


def refuse(what: str, instead: str) -> NotDurableError:
    return NotDurableError(f"{what}: {instead}")
