"""Checks the settings of this process for wrong values, and for combinations that are probably a mistake. Secret values
are never shown."""

import os
import re
from collections.abc import Iterator

from queue_store.settings import (
    DEFAULT_DATABASE,
    DatabaseSettings,
    ProcessorSettings,
    environment_name,
    load_database_settings,
    load_processor_settings,
    wrong_settings,
)

from ..embedded.places import advice_on_addresses
from ..monitoring.capacity import CONNECTIONS_EACH
from .diagnosis import Diagnosis, ok, problem, warning

OURS = re.compile(rf"([A-Z][A-Z0-9_]*?)_(DISTRIBUTED_PROCESSOR|GLOBAL_{DEFAULT_DATABASE.upper()})_")
NAMED_AT_MOST = 3


def settings() -> Diagnosis:
    if wrong := wrong_settings():
        remedy = "correct these environment variables, and restart the processes that have them"
        return problem("; ".join(wrong) + ".", advice_on_addresses(wrong).rstrip(".") or remedy)
    odd = [*_of_the_environment(), *_odd(load_processor_settings()), *_odd_pool(load_database_settings())]
    if odd:
        return warning(
            "; ".join(odd) + ".",
            "see README.md, Settings: change these settings, or remove those without effect",
        )
    return ok(f"valid, for the environment {environment_name()}.")


def _of_the_environment() -> Iterator[str]:
    prefix = environment_name()
    strangers = sorted(n for n in os.environ if (found := OURS.match(n)) and found[1] != prefix)
    if strangers:
        more = ", …" if len(strangers) > NAMED_AT_MOST else ""
        yield f"{', '.join(strangers[:NAMED_AT_MOST])}{more} have no effect: ENVIRONMENT is {prefix}"
    own_url = f"{prefix}_GLOBAL_{DEFAULT_DATABASE.upper()}_URL"
    ours, general = os.environ.get(own_url), os.environ.get("DATABASE_URL")
    if ours and general and ours != general:
        yield f"DATABASE_URL and {own_url} differ: DATABASE_URL wins"


def _odd(found: ProcessorSettings) -> Iterator[str]:
    if found.cleanup_timeout_hours * 3600 <= found.lease_seconds:
        yield "CLEANUP_TIMEOUT_HOURS is not longer than LEASE_SECONDS: records are taken from living runs"
    if found.lock_timeout_seconds > found.statement_timeout_seconds:
        yield "LOCK_TIMEOUT_SECONDS is above STATEMENT_TIMEOUT_SECONDS and has no effect"
    if 0 < found.retention_any_failed_days < found.retention_failed_days:
        yield "RETENTION_FAILED_DAYS has no effect, because RETENTION_ANY_FAILED_DAYS is lower"


def _odd_pool(found: DatabaseSettings) -> Iterator[str]:
    if found.pool_size + found.max_overflow < CONNECTIONS_EACH:
        yield (
            f"POOL_SIZE and MAX_OVERFLOW allow {found.pool_size + found.max_overflow} connection: "
            f"a worker process needs {CONNECTIONS_EACH}, one for its run and one for its heartbeat"
        )
