"""The error for everything that a durable task refuses. It is raised where the unsupported feature is requested."""


class NotDurableError(Exception):
    """A durable task cannot do what is asked of it. Nothing was written."""


def refuse(what: str, instead: str) -> NotDurableError:
    return NotDurableError(f"{what}: {instead}")
