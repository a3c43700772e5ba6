"""Makes the checks, one after the other. If a check raises an error, the check's diagnosis reports this error, and the
other checks are still made. Checks whose prerequisites are not met are left out."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from queue_store.database.driver_errors import INSUFFICIENT_PRIVILEGE, cause_of, database_errors, sqlstate_of
from queue_store.database.manager import DatabaseManager
from queue_store.errors import ConnectionLimitError, QueueStoreError
from queue_store.queue_schema import role_name
from queue_store.settings import load_processor_settings, wrong_settings

from ..monitoring.connection_holders import last_known
from ..monitoring.deadline import call_with_deadline
from .diagnosis import LEVELS, Diagnosis, problem
from .facts import ServerFacts, read_queue_facts, read_server_facts
from .register import OF_HOST, OF_QUEUE, OF_SERVER

ANSWER_SECONDS = 30.0

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Examination:
    """`diagnoses`: the result of each check that was made, by the check's name and in the order of the checks.
    `not_examined`: the checks that were not made, because an earlier problem prevented them."""

    diagnoses: dict[str, Diagnosis]
    not_examined: list[str]

    @property
    def level(self) -> str:
        return max((d.level for d in self.diagnoses.values()), key=LEVELS.index, default=LEVELS[0])


def examine(open_database: Callable[[], DatabaseManager]) -> Examination:
    """Calls `open_database` only if no setting is wrong. Changes nothing."""
    diagnoses = dict(_made(OF_HOST))
    if not wrong_settings():
        diagnoses |= _of_database(open_database())
    expected = [*OF_HOST, *OF_SERVER, *OF_QUEUE]
    return Examination(diagnoses, [name for name in expected if name not in diagnoses])


def _of_database(database: DatabaseManager) -> dict[str, Diagnosis]:
    settings = load_processor_settings()
    try:
        server = _read(partial(read_server_facts, database, settings))
    except ConnectionLimitError as error:
        return {"database": _unreadable(f"{error} {last_known(settings, database.name)}")}
    except (QueueStoreError, *database_errors()) as error:
        return {"database": _of_error(error)}
    diagnoses = dict(_made(OF_SERVER, server))
    return diagnoses if server.schema_problem else diagnoses | _of_queue(database, server)


def _of_queue(database: DatabaseManager, server: ServerFacts) -> dict[str, Diagnosis]:
    try:
        return dict(_made(OF_QUEUE, _read(partial(read_queue_facts, database, server))))
    except (QueueStoreError, *database_errors()) as error:
        return {"login": _of_error(error)}


def _read(read: Callable[[], T]) -> T:
    return call_with_deadline(read, ANSWER_SECONDS, thread_name="doctor")


def _of_error(error: Exception) -> Diagnosis:
    text = " ".join(str(cause_of(error)).split())
    if sqlstate_of(error) == INSUFFICIENT_PRIVILEGE:
        return problem(
            text, f"call queuectl grant-roles as the owner, then GRANT {role_name('monitor')} to this login"
        )
    return _unreadable(text)


def _unreadable(text: str) -> Diagnosis:
    return problem(text, "see docs/runbook.md, The database cannot be reached")


def _made(checks: Mapping[str, Callable[..., Diagnosis]], *facts: object) -> Iterator[tuple[str, Diagnosis]]:
    for name, check in checks.items():
        try:
            yield name, check(*facts)
        except Exception as error:
            logger.exception("the doctor's check %s failed", name)
            message = f"This check failed: {type(error).__name__}, which is a fault of this program."
            yield name, problem(message, "report it with the version and the log")
