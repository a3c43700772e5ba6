"""All checks, in the order in which they are shown."""

from collections.abc import Callable, Mapping

from . import broker, fleet, rights, server, settings, upkeep
from .diagnosis import Diagnosis
from .facts import QueueFacts, ServerFacts

OF_HOST: Mapping[str, Callable[[], Diagnosis]] = {"settings": settings.settings, "broker": broker.broker}

# The checks in OF_SERVER need a database that answers.
OF_SERVER: Mapping[str, Callable[[ServerFacts], Diagnosis]] = {
    "database": server.database,
    "schema": server.schema,
    "extensions": server.extensions,
    "pooler": server.pooler,
    "roles": rights.roles,
    "autovacuum": upkeep.autovacuum,
}

# The checks in OF_QUEUE also need our schema, and a login that may read its tables.
OF_QUEUE: Mapping[str, Callable[[QueueFacts], Diagnosis]] = {
    "guards": server.guards,
    "clocks": server.clocks,
    "response time": server.response_time,
    "transactions": upkeep.transactions,
    "connections": upkeep.connections,
    "workers": fleet.workers,
    "versions": fleet.versions,
    "control queue": fleet.control_queue,
    "beat": fleet.beat,
}
