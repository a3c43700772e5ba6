"""The ledger judges a whole chaos run by the producers' acknowledgements and the handlers' calls and effects. Each rule
is a query that returns the violations of the rule. A correct run has no violation."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg

from queue_store.records.record import Record
from tests.chaos.express_rules import EXPRESS_RULES, FIND_LOST_ATTEMPTS, PREPARE as PREPARE_EXPRESS

PREPARE = """
CREATE TABLE effects (record_id bigint NOT NULL, claim_number integer NOT NULL);
CREATE SCHEMA ledger;
CREATE FUNCTION ledger.microseconds(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT ((extract(epoch FROM at) - 946684800) * 1000000)::bigint
$$;
CREATE TABLE ledger.history (
    number bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(), record_id bigint NOT NULL, flow_name text NOT NULL,
    old_status text, status text NOT NULL, claim_number integer NOT NULL, flow_instance_id uuid,
    old_flow_instance_id uuid, retry_count integer NOT NULL, old_retry_count integer, scheduled_at timestamptz NOT NULL,
    claimed_at bigint
);
CREATE TABLE ledger.batches (batch text PRIMARY KEY, acknowledged boolean NOT NULL);
CREATE TABLE ledger.keys (key text PRIMARY KEY, batch text NOT NULL);
CREATE TABLE ledger.calls (
    record_id bigint NOT NULL, claim_number integer NOT NULL, flow_instance_id uuid NOT NULL, claimed_at bigint NOT NULL
);
CREATE FUNCTION ledger.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.history (record_id, flow_name, old_status, status, claim_number, flow_instance_id,
        old_flow_instance_id, retry_count, old_retry_count, scheduled_at, claimed_at)
    SELECT n.id, n.flow_name, o.status, n.status, n.claim_number, n.flow_instance_id, o.flow_instance_id,
        n.retry_count, o.retry_count, n.scheduled_at, ledger.microseconds(n.claimed_at)
    FROM new_rows n JOIN old_rows o USING (id)
    WHERE o.status <> n.status OR o.claim_number <> n.claim_number;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_note AFTER UPDATE ON processing_queue
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger.note();
"""

RULES = {
    "an acknowledged record is lost": """
        SELECT k.key FROM ledger.keys k JOIN ledger.batches b USING (batch)
        WHERE b.acknowledged AND NOT EXISTS (
            SELECT FROM processing_queue q WHERE q.correlation_id = k.key AND q.flow_name <> 'receipt')""",
    "a record exists that nobody tried to enqueue": """
        SELECT q.id FROM processing_queue q
        WHERE q.flow_name <> 'receipt' AND NOT EXISTS (SELECT FROM ledger.keys k WHERE k.key = q.correlation_id)""",
    "a record exists twice": """
        SELECT correlation_id FROM processing_queue WHERE flow_name <> 'receipt'
        GROUP BY correlation_id HAVING count(*) > 1""",
    "a batch was enqueued in part": """
        SELECT k.batch FROM ledger.keys k LEFT JOIN processing_queue q
            ON q.correlation_id = k.key AND q.flow_name <> 'receipt'
        GROUP BY k.batch HAVING count(q.id) NOT IN (0, count(*))""",
    "a record did not reach its end": """
        SELECT id, status, payload ->> 'do', claim_number, crash_strikes, unfinished_claims, scheduled_at - now()
        FROM processing_queue WHERE status IN ('pending', 'processing')""",
    "a record has another final status than its handler decided": """
        SELECT id, status, payload ->> 'how' FROM processing_queue
        WHERE payload ->> 'how' <> 'hostile' AND (status = 'failed') <> (payload ->> 'how' = 'fail')
            OR status = 'cancelled'""",
    "an innocent record was charged an attempt, or a failed attempt was not charged": """
        SELECT id, flow_name, retry_count, payload ->> 'how', error_message,
            (SELECT min(a.error_message) FROM record_attempts a WHERE a.record_id = processing_queue.id)
        FROM processing_queue
        WHERE payload ->> 'how' <> 'hostile' AND retry_count <> CASE payload ->> 'how' WHEN 'ok' THEN 0 ELSE 1 END""",
    "a hostile record was tried more often than its flow allows": """
        SELECT q.id, retry_count, payload ->> 'do' FROM processing_queue q JOIN flows f USING (flow_name)
        WHERE payload ->> 'how' = 'hostile' AND retry_count > f.max_retries + 1""",
    "the history of attempts does not add up": """
        SELECT q.id FROM processing_queue q LEFT JOIN record_attempts a ON a.record_id = q.id
        GROUP BY q.id HAVING q.retry_count <> count(*) FILTER (WHERE a.outcome IN ('retried', 'failed'))
            OR q.crash_strikes <> count(*) FILTER (WHERE a.outcome = 'crashed')""",
    "a completed record has unfinished claims, or a record has more of them than five plus its crash strikes": """
        SELECT id, status, unfinished_claims, crash_strikes FROM processing_queue
        WHERE status = 'completed' AND unfinished_claims > 0 OR unfinished_claims > 5 + crash_strikes""",
    "a one-COMMIT effect is missing or doubled": """
        SELECT q.id, q.status, count(e.record_id) FROM processing_queue q LEFT JOIN effects e ON e.record_id = q.id
        WHERE q.flow_name = 'transfer'
        GROUP BY q.id HAVING count(e.record_id) <> (q.status = 'completed')::integer""",
    "a one-COMMIT effect belongs to no record of its flow": """
        SELECT e.record_id FROM effects e LEFT JOIN processing_queue q ON q.id = e.record_id
        WHERE q.id IS NULL OR q.flow_name <> 'transfer'""",
    "a fenced run wrote an effect": """
        SELECT e.record_id FROM effects e JOIN processing_queue q ON q.id = e.record_id
        WHERE e.claim_number <> q.claim_number""",
    "an outside effect is missing": """
        SELECT q.id FROM processing_queue q
        WHERE q.flow_name IN ('notice', 'letter') AND NOT EXISTS (
            SELECT FROM ledger.calls c WHERE c.record_id = q.id AND c.claim_number = q.claim_number)""",
    "a record was finished by somebody who did not own it": """
        SELECT record_id FROM ledger.history
        WHERE old_status = 'processing' AND status IN ('completed', 'failed')
            AND flow_instance_id IS DISTINCT FROM old_flow_instance_id""",
    "a follow-up is missing or doubled, or belongs to no completed record": """
        SELECT q.id, r.key FROM (
            SELECT id, 'of ' || id AS key FROM processing_queue
            WHERE status = 'completed' AND (payload ->> 'more')::boolean) q
        FULL JOIN (
            SELECT payload ->> 'key' AS key, count(*) AS count FROM processing_queue
            WHERE flow_name = 'receipt' GROUP BY 1) r USING (key)
        WHERE q.id IS NULL OR r.count IS DISTINCT FROM 1""",
    "a result is missing, or a result or progress comes from another claim": """
        SELECT q.id, q.claim_number, q.result, p.claim_number FROM processing_queue q
        LEFT JOIN record_progress p ON p.record_id = q.id
        WHERE (payload ->> 'more')::boolean AND q.status = 'completed' AND (
            (q.result ->> 'claim')::integer IS DISTINCT FROM q.claim_number
            OR p.claim_number > q.claim_number OR (p.progress ->> 'claim')::integer <> p.claim_number)""",
    "a record was due and nobody took it for two minutes": """
        SELECT record_id, waited FROM (
            SELECT h.record_id, old_status, h.at - greatest(h.scheduled_at, lag(h.at) OVER (
                PARTITION BY h.record_id ORDER BY h.number)) AS waited FROM ledger.history h) waits
        WHERE old_status = 'pending' AND waited > interval '2 minutes'""",
    "more outside effects of one run were repeated than a batch has records": """
        SELECT h.flow_instance_id::text, count(*) FROM ledger.calls c
        JOIN ledger.history h ON h.record_id = c.record_id AND h.claim_number = c.claim_number
            AND h.status = 'processing' AND h.flow_instance_id = c.flow_instance_id
        JOIN processing_queue q ON q.id = c.record_id JOIN flows f ON f.flow_name = q.flow_name
        WHERE c.claim_number < q.claim_number AND q.payload ->> 'how' NOT IN ('retry', 'hostile')
            AND NOT EXISTS ( -- the record was snoozed, which is an outcome
                SELECT FROM ledger.history s WHERE s.record_id = h.record_id AND s.claim_number = h.claim_number
                    AND s.status = 'pending' AND s.scheduled_at > h.scheduled_at)
        GROUP BY h.flow_instance_id, f.batch_size HAVING count(*) > f.batch_size""",
    "a retry was due without its delay": """
        SELECT record_id FROM ledger.history
        WHERE status = 'pending' AND retry_count > old_retry_count AND scheduled_at < at + interval '50 ms'""",
    "a run is not settled, or a worker process still counts as alive": """
        SELECT flow_instance_id::text FROM flow_execution_logs WHERE settled_at IS NULL
        UNION ALL SELECT worker_process_id::text FROM worker_processes WHERE ended_at IS NULL""",
    "the counters do not match what happened": """
        SELECT c.*, h.* FROM (
            SELECT sum(claimed) AS claimed, sum(completed) AS completed, sum(retried) AS retried, sum(failed) AS failed
            FROM (SELECT claimed, completed, retried, failed FROM rollup_minutes
                UNION ALL SELECT claimed, completed, retried, failed FROM rollup_deltas) counted) c
        CROSS JOIN (
            SELECT count(*) FILTER (WHERE status = 'processing' OR (old_status, status) = ('pending', 'completed'))
                    AS claimed,
                count(*) FILTER (WHERE status = 'completed') AS completed,
                count(*) FILTER (WHERE status = 'pending' AND retry_count > old_retry_count) AS retried,
                count(*) FILTER (WHERE status = 'failed') AS failed FROM ledger.history) h
        WHERE (c.claimed, c.completed, c.retried, c.failed)
            IS DISTINCT FROM (h.claimed::numeric, h.completed::numeric, h.retried::numeric, h.failed::numeric)""",
} | EXPRESS_RULES

REPEATS = """
SELECT count(*), coalesce(max(calls), 0)::integer FROM (
    SELECT count(*) AS calls FROM ledger.calls c JOIN processing_queue q ON q.id = c.record_id
    WHERE q.payload ->> 'how' NOT IN ('retry', 'hostile') GROUP BY c.record_id HAVING count(*) > 1) repeated
"""


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Makes the table for effects, and a trigger that notes every arrow of a record. Called before the run."""
    connection.execute(PREPARE + PREPARE_EXPRESS)


def call(record: Record) -> str:
    """Returns the line that a handler writes into the journal at the beginning of each call."""
    return f"{record.id}\t{record.claim_number}\t{record.flow_instance_id}\t{record.claimed_microseconds}\n"


def enter(
    connection: psycopg.Connection[Any],
    journals: Iterable[Path],
    calls: Path,
    express_flows: Iterable[str] = (),
    crashed_at: Iterable[float] = (),
) -> None:
    """Writes into the ledger: the notes of producers and handlers, the flows that may be express, and the times of
    Postgres' crashes. Call this after the run."""
    from tests.chaos.producer import keys

    batches: dict[str, bool] = {}
    for journal in journals:
        for line in map(json.loads, journal.read_text().splitlines()):
            batches.setdefault(line.get("tried") or line["acknowledged"], False)
            if "acknowledged" in line:
                batches[line["acknowledged"]] = True
    with connection.cursor() as cursor:
        with cursor.copy("COPY ledger.batches FROM STDIN") as copy:
            for batch, acknowledged in batches.items():
                copy.write_row((batch, acknowledged))
        with cursor.copy("COPY ledger.keys FROM STDIN") as copy:
            for batch in batches:
                for key in keys(batch):
                    copy.write_row((key, batch))
        with cursor.copy("COPY ledger.calls FROM STDIN") as copy:
            if calls.exists():
                copy.write(calls.read_bytes())
        cursor.executemany(
            "INSERT INTO ledger.express_flows VALUES (%s)", [(name,) for name in express_flows]
        )
        cursor.executemany(
            "INSERT INTO ledger.crashes VALUES (to_timestamp(%s))", [(at,) for at in crashed_at]
        )
    connection.execute("ANALYZE ledger.calls, ledger.history")
    connection.execute(FIND_LOST_ATTEMPTS)
    connection.execute("ANALYZE ledger.keys, ledger.calls, ledger.history, processing_queue, effects")


def violations(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Returns each rule that was broken, with up to five examples. The result is empty if the run was correct."""
    connection.execute("SET LOCAL jit = off")
    found = {rule: connection.execute(query.encode()).fetchmany(5) for rule, query in RULES.items()}
    return {rule: examples for rule, examples in found.items() if examples}


def repeats(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Returns how many records had an outside effect more than once, and the highest number of effects of one
    record."""
    row = connection.execute(REPEATS).fetchone()
    assert row is not None
    return row[0], row[1]


WAITS = """
SELECT coalesce(extract(epoch FROM percentile_cont(0.99) WITHIN GROUP (ORDER BY waited)), 0)::float,
    coalesce(extract(epoch FROM max(waited)), 0)::float FROM (
    SELECT old_status, h.at - greatest(h.scheduled_at,
        lag(h.at) OVER (PARTITION BY h.record_id ORDER BY h.number)) AS waited
    FROM ledger.history h) waits WHERE old_status = 'pending'
"""
STRIKES = """
SELECT count(*) FILTER (WHERE crash_strikes > 0), coalesce(sum(crash_strikes), 0)::integer,
    coalesce(max(crash_strikes), 0)::integer, count(*) FILTER (WHERE crash_strikes >= 3)
FROM processing_queue
"""


def waits(connection: psycopg.Connection[Any]) -> tuple[float, float]:
    """Returns how long due records waited for their claims: the 99th percentile and the maximum, in seconds."""
    row = connection.execute(WAITS).fetchone()
    assert row is not None
    return round(row[0], 2), round(row[1], 2)


def strikes(connection: psycopg.Connection[Any]) -> tuple[int, ...]:
    """Returns the number of records with crash strikes, the number of strikes, the most strikes of one record, and the
    number of records with three or more strikes."""
    row = connection.execute(STRIKES).fetchone()
    assert row is not None
    return tuple(row)
