"""What a durable task does not take. Everything is refused with a sentence, where it is asked for."""


class NotDurableError(Exception):
    """A durable task cannot keep what is asked of it. Nothing was written."""


def refuse(what: str, instead: str) -> NotDurableError:
    return NotDurableError(f"{what}: {instead}")
