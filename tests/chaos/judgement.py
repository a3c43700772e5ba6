"""Judges a chaos run by the rules of ledger.py, and reads the figures for the report."""

import os
import re
import uuid

import psycopg

from queue_store.database.statements import sql
from queue_store.database.vacuum import vacuum_forgotten_tables
from queue_store.runs.queue_position import QueuePosition, claim_parameters
from tests.chaos import ledger, neighbour
from tests.chaos.express import flows_that_may_be_express
from tests.chaos.express_rules import lost_attempts, slice_counts
from tests.chaos.innocents import ended_innocents
from tests.chaos.result import Result
from tests.chaos.world import HINTS_BOUND, World
from tests.support.servers import connect

BUFFERS_BOUND = 50


def judge(world: World, result: Result) -> None:
    [(postgres,)] = world.query_again("SELECT current_setting('server_version')")
    result.servers = f"Postgres {postgres}, Redis {world.broker.info('server')['redis_version']}"  # type: ignore[index]
    result.busy_machine = f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.0f} over the last five minutes"
    result.most_hints = world.most_hints
    result.unexpected_ends = world.unexpected_ends
    result.killed_children = world.killed_children
    result.empty_claim_buffers = _buffers_of_an_empty_claim(world)
    with psycopg.connect(world.postgres.url()) as connection:
        row = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE payload ->> 'how' = 'hostile') FROM processing_queue"
        ).fetchone()
        result.record_count, result.hostile_count = row or (0, 0)
        express_flows = flows_that_may_be_express(by_itself=world.is_express)
        ledger.enter(connection, world.journals, world.calls, express_flows, world.postgres_crashed_at)
        result.slice_counts = slice_counts(connection)
        result.lost_attempts = lost_attempts(connection)
        result.recoveries = world.marks.recoveries(connection)
        result.repeated_records, result.most_calls = ledger.repeats(connection)
        result.waits = ledger.waits(connection)
        result.strikes = ledger.strikes(connection)
        result.violations |= ledger.violations(connection)
        if touched := sorted({*neighbour.look(connection)} ^ {*world.neighbour}):
            result.violations["the second queue, in the schema public, was changed"] = touched
    if ended := ended_innocents(world):
        result.violations["a session was ended without a reason"] = ended
    if world.ended_producers:
        result.violations["a producer ended with an unexpected error"] = [
            (error,) for error in world.ended_producers
        ]
    if world.most_hints > HINTS_BOUND:
        result.violations["too many hints were outstanding"] = [(world.most_hints,)]
    if world.most_idle_in_transaction:
        result.violations["a session was idle in its transaction for 30 s"] = [
            (world.most_idle_in_transaction,)
        ]
    if result.empty_claim_buffers > BUFFERS_BOUND:
        result.violations["an empty claim reads too many buffers"] = [(result.empty_claim_buffers,)]


def _buffers_of_an_empty_claim(world: World) -> int:
    """Counts the buffers that an empty claim reads. First vacuums the tables whose vacuum statistics a crash has reset,
    as the sentinel does."""
    manager = connect(world.postgres.url())
    vacuum_forgotten_tables(manager)
    manager.dispose()
    parameters = claim_parameters("transfer", uuid.uuid4(), 100)
    parameters |= QueuePosition(0, 1_000).parameters()
    with psycopg.connect(world.postgres.url()) as connection:
        rows = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS) " + sql("arrows/claim"), parameters).fetchall()
        connection.rollback()
    first = next(row[0] for row in rows if "Buffers: shared" in row[0])
    return sum(int(count) for count in re.findall(r"(?:hit|read)=(\d+)", first))
