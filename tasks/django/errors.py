"""Exception classes for attempts that ended without an outcome, so that there is no exception of a handler. Django
needs a class for each error of a result."""


class WorkerProcessDied(Exception):  # noqa: N818  (this name is also in the record's history)
    """The process died while it worked on the record."""


class ClaimWithoutOutcome(Exception):  # noqa: N818
    """The record was claimed alone, and its run ended without an outcome for it."""
