"""The schema that holds the queue. The schema also identifies the queue: two queues with different schemas may share a
database and a broker.

Each process works with only one queue. If the schema of this queue is `public`, the names of the queue's roles, Celery
queues and Redis keys do not contain the schema.
"""

import os
import re
from functools import cache

from queue_store.errors import SettingsError
from queue_store.setting_fields import PUBLIC, parse_schema
from queue_store.settings import environment_name

LITERAL = re.compile(rb"'public'")
IDENTIFIER = re.compile(rb"\bpublic\b")
# Names that are not inside a schema: roles, and the application_name of workers.
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
    """Our SQL files name the schema `public`, and the roles of a queue in that schema. In the text of a file, replaces
    these names with those of this process's queue.

    Use this function for our own files only, because it replaces these names anywhere in the text. Raises
    SettingsError.
    """
    schema = queue_schema().encode()
    if schema == PUBLIC.encode():
        return statement
    statement = LITERAL.sub(b"'%s'" % schema, statement)
    statement = IDENTIFIER.sub(b'"%s"' % schema, statement)
    return OF_THE_SERVER.sub(server_wide_name().encode(), statement)


def server_wide_name() -> str:
    """The prefix of every name that belongs to this queue but to no schema, such as the name of a role. The prefix is
    `processing_queue`, preceded by the schema if the schema is not `public`. Raises SettingsError."""
    schema = queue_schema()
    return "processing_queue" if schema == PUBLIC else f"{schema}_processing_queue"


def role_name(role: str) -> str:
    """The name of this queue's Postgres role for a `producer`, `flow_producer`, `worker`, `monitor` or `admin`. Raises
    SettingsError."""
    return f"{server_wide_name()}_{role}"


def celery_queue_name(queue: str, schema: str | None = None) -> str:
    """The name that the Celery queue `queue` of a flow has in the broker. If `schema` is None, the schema of this
    process's queue is used. Raises SettingsError."""
    schema = schema or queue_schema()
    return queue if schema == PUBLIC else f"{schema}.{queue}"


def broker_key(kind: str) -> str:
    """The first part of our keys in Redis, without the colon at its end. Raises SettingsError."""
    schema = queue_schema()
    return f"processing_queue:{kind}" if schema == PUBLIC else f"processing_queue:{schema}:{kind}"
