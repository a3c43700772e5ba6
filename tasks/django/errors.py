"""Names for attempts that no exception ended, so that Django finds a class for each error of a result."""


class WorkerProcessDied(Exception):  # noqa: N818  (as the record's history calls it)
    """The process died while it worked on the record."""


class ClaimWithoutOutcome(Exception):  # noqa: N818
    """The record was claimed alone, and its run ended without an outcome of it."""
