"""The schema that holds the queue. It is the queue's identity as well: two queues with different schemas may share a
database and a broker.

A process works with one queue. In `public` all names are plain, as they were before the schema could be chosen.
"""

import os
import re
from functools import cache

from queue_store.errors import SettingsError
from queue_store.setting_fields import PUBLIC, parse_schema
from queue_store.settings import environment_name

LITERAL = re.compile(rb"'public'")
IDENTIFIER = re.compile(rb"\bpublic\b")
# These names belong to the whole server: roles, and the application_name of workers.
OF_THE_SERVER = re.compile(
    rb"\bprocessing_queue(?=_(?:producer|flow_producer|worker|monitor|admin)\b| worker )"
)


@cache
def queue_schema() -> str:
    """The setting SCHEMA, read once for each process. Raises SettingsError."""
    variable = f"{environment_name()}_DISTRIBUTED_PROCESSOR_SCHEMA"
    try:
        return parse_schema(os.environ.get(variable) or PUBLIC)
    except ValueError as error:
        raise SettingsError([f"{variable} {error}"]) from None


def in_queue_schema(statement: bytes) -> bytes:
    """The statement, which names the schema `public` and the roles of its queue, for the schema and roles of ours.

    For our own files only: it replaces words anywhere in the text. Raises SettingsError.
    """
    schema = queue_schema().encode()
    if schema == PUBLIC.encode():
        return statement
    statement = LITERAL.sub(b"'%s'" % schema, statement)
    statement = IDENTIFIER.sub(b'"%s"' % schema, statement)
    return OF_THE_SERVER.sub(server_wide_name().encode(), statement)


def server_wide_name() -> str:
    """The beginning of names that all queues of a server share: `processing_queue`, preceded by the schema if
    that is not `public`. Raises SettingsError."""
    schema = queue_schema()
    return "processing_queue" if schema == PUBLIC else f"{schema}_processing_queue"


def role_name(role: str) -> str:
    """The Postgres role of this queue's `producer`, `flow_producer`, `worker`, `monitor` or `admin`. Raises
    SettingsError."""
    return f"{server_wide_name()}_{role}"


def celery_queue_name(queue: str, schema: str | None = None) -> str:
    """The name in the broker of a Celery queue that a flow calls `queue`. `schema`: None for the one of the process.
    Raises SettingsError."""
    schema = schema or queue_schema()
    return queue if schema == PUBLIC else f"{schema}.{queue}"


def broker_key(kind: str) -> str:
    """The first part of a key in Redis that is ours, without the colon at its end. Raises SettingsError."""
    schema = queue_schema()
    return f"processing_queue:{kind}" if schema == PUBLIC else f"processing_queue:{schema}:{kind}"
