"""Checks what keeps the server usable: vacuum, short transactions, and room for connections."""

from datetime import timedelta
from math import ceil

from queue_store.plural import plural, word
from queue_store.queue_schema import server_wide_name
from queue_store.readings.activity import TableReading
from queue_store.readings.set_up import OwnConnectionLimit

from ..monitoring.capacity import CONNECTIONS_EACH
from ..monitoring.rules import judge
from .diagnosis import Diagnosis, of_findings, ok, problem, warning
from .facts import QueueFacts, ServerFacts

NEGLECTED_SECONDS = 3_600.0
NEGLECTED_DEAD_ROWS = 50_000


def autovacuum(facts: ServerFacts) -> Diagnosis:
    set_up = facts.set_up
    for is_on, name in ((set_up.autovacuum_is_on, "autovacuum"), (set_up.counts_are_tracked, "track_counts")):
        if not is_on:
            return problem(
                f"{name} is off: dead rows stay, and the tables grow.",
                f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()",
            )
    if set_up.tables_without_autovacuum:
        names = ", ".join(set_up.tables_without_autovacuum)
        return problem(
            f"autovacuum is off for {names}: dead rows stay, and the tables grow.",
            f"ALTER TABLE {set_up.tables_without_autovacuum[0]} RESET (autovacuum_enabled)",
        )
    if neglected := [table for table in facts.tables if _is_neglected(table, facts)]:
        first = neglected[0]
        return warning(
            f"{first.table_name} has {first.dead_rows} dead rows and has not been vacuumed for more than an hour.",
            f"VACUUM (ANALYZE) {first.table_name}; then look for what holds vacuum back: queuectl check --database",
        )
    return ok("on, for every busy table.")


def _is_neglected(table: TableReading, facts: ServerFacts) -> bool:
    if table.dead_rows < NEGLECTED_DEAD_ROWS:
        return False
    since = table.vacuumed_at or facts.set_up.clock - timedelta(seconds=facts.server.up_seconds)
    return (facts.set_up.clock - since).total_seconds() > NEGLECTED_SECONDS


def transactions(facts: QueueFacts) -> Diagnosis:
    if forgotten := facts.server.set_up.forgotten_prepared_transactions:
        return problem(
            f"A prepared transaction keeps its locks and holds back vacuum: {forgotten[0]}.",
            "COMMIT PREPARED or ROLLBACK PREPARED with its name, as its owner",
        )
    found = of_findings(judge(facts.snapshot, ["held_snapshot", "idle_in_transaction"]))
    return found or ok("no transaction has been open for long, and no prepared transaction was forgotten.")


def connections(facts: QueueFacts) -> Diagnosis:
    """Compares the connections that the server, the database and the logins allow with those that the fleet needs: two
    for each worker process. A login needs connections only for the processes that use it."""
    if found := of_findings(judge(facts.snapshot, ["server_connections", "pool_utilization"])):
        return found
    server, processes = facts.snapshot.server, len(facts.snapshot.fleet.alive)
    worker = f"{server_wide_name()} worker "
    of_workers = sum(c.connection_count for c in server.connections if c.application_name.startswith(worker))
    needed = max(CONNECTIONS_EACH * processes, of_workers)
    of_server = OwnConnectionLimit(
        "the server", server.connection_limit, server.connection_count, of_workers, worker_share=1
    )
    for limit in (of_server, *facts.server.own_connection_limits):
        if found := _is_tight(facts.server, limit, needed, processes):
            return found
    return ok(
        f"{server.connection_count} of {server.connection_limit} are open; "
        f"{plural(processes, 'worker process', 'worker processes')} {word(processes, 'needs', 'need')} "
        f"{needed}, and may open up to {facts.snapshot.fleet.pool_capacity}."
    )


def _is_tight(facts: ServerFacts, limit: OwnConnectionLimit, needed: int, processes: int) -> Diagnosis | None:
    """Judges one connection limit. `needed`: how many connections all `processes` need."""
    of_holder = ceil(needed * limit.worker_share)
    wanted, allowed = of_holder + max(0, limit.connection_count - limit.worker_count), limit.connection_limit
    if not facts.settings.alert_thresholds.judge("pool_utilization", 100 * wanted / max(allowed, 1)):
        return None
    part = "" if of_holder == needed else f", {of_holder} of them with {limit.holder}"
    say = problem if wanted > allowed else warning
    return say(
        f"{processes} worker processes need {needed} connections{part}. Together with other clients, {wanted} are "
        f"needed; {limit.holder} allows {allowed}.",
        "raise max_connections or the CONNECTION LIMIT, put PgBouncer in front, or start fewer processes",
    )
