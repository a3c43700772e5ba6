"""Sentences for everything that a durable task refuses. Each is raised where the unsupported feature is
requested."""


class NotDurableError(Exception):
    """A durable task cannot keep what is asked of it. Nothing was written."""


def refuse(what: str, instead: str) -> NotDurableError:
    return NotDurableError(f"{what}: {instead}")
