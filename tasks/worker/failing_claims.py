"""Notes failed claims of this process in the database. `queuectl check` reads the notes."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from queue_store import flows as flow_store
from queue_store.database.manager import DatabaseManager
from queue_store.errors import CommitUnknownError, DatabaseUnavailableError
from queue_store.redaction import redact

ERROR_LIMIT = 500

logger = logging.getLogger(__name__)


class FailingClaims:
    def __init__(self, database: DatabaseManager) -> None:
        self._database = database
        self._failing: set[str] = set()

    @contextmanager
    def watch(self, flow_name: str) -> Generator[None]:
        """Make a claim inside this context. The context passes on the errors of the claim. The context writes to the
        database only if the claim fails although the database is available, or if the claim succeeds after such a
        failure."""
        try:
            yield
        except (DatabaseUnavailableError, CommitUnknownError):
            raise  # the whole server has a problem, which other findings report
        except Exception as error:
            self._failing.add(flow_name)
            self._say(flow_name, redact(f"{type(error).__name__}: {error}", ERROR_LIMIT))
            raise
        if flow_name in self._failing:
            self._failing.discard(flow_name)
            self._say(flow_name, None)

    def _say(self, flow_name: str, error: str | None) -> None:
        try:
            with self._database.transaction() as cursor:
                if error is None:
                    flow_store.forget_failed_claims(cursor, flow_name)
                else:
                    flow_store.note_failed_claim(cursor, flow_name, error)
        except Exception:
            logger.exception("could not record whether claims of %s fail", flow_name)
