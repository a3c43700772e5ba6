"""After a chaos run, the ledger applies these rules to express slices, and to the claims and calls of all flows.

A call names its record, its claim number, its run, and the time at which the record was claimed or held. If the history
contains the claim that a call names, the call's run owned the record. Any other call is an express attempt whose slice
ended without an outcome. Only a record of a flow that may be express can have such an attempt, and only one for each
claim number. The row lock of a slice leaves a mark in the row (`xmax`), which prevents another express attempt. A crash
of Postgres can lose a mark that is not on disk yet. So near a crash, the rules allow a record another express attempt.

If a flow declares no batch size, its batches have up to 100 records, and its slices up to 500.
"""

from typing import Any

import psycopg

PREPARE = """
CREATE TABLE ledger.express_flows (flow_name text PRIMARY KEY);
CREATE TABLE ledger.crashes (at timestamptz NOT NULL);
CREATE VIEW ledger.claims AS
SELECT * FROM ledger.history WHERE status = 'processing' OR (old_status, status) = ('pending', 'completed');
CREATE VIEW ledger.limits AS
SELECT flow_name, CASE batch_size WHEN 100 THEN 500 ELSE batch_size END AS most_records FROM flows;
"""
FIND_LOST_ATTEMPTS = """
CREATE TABLE ledger.lost_attempts AS
SELECT c.*, q.flow_name, EXISTS (
    SELECT FROM ledger.crashes x
    WHERE abs(ledger.microseconds(x.at) - c.claimed_at) < 1000000) AS mark_may_be_lost
FROM ledger.calls c JOIN processing_queue q ON q.id = c.record_id
WHERE NOT EXISTS (
    SELECT FROM ledger.claims h WHERE h.record_id = c.record_id AND h.claim_number = c.claim_number
        AND h.flow_instance_id = c.flow_instance_id AND h.claimed_at = c.claimed_at);
"""

EXPRESS_RULES = {
    "an outside effect was done twice under one claim": """
        SELECT record_id, claim_number FROM ledger.calls
        GROUP BY record_id, claim_number, flow_instance_id, claimed_at HAVING count(*) > 1""",
    "a handler ran under a claim that never existed": """
        SELECT c.record_id, c.claim_number FROM ledger.lost_attempts c
        WHERE c.flow_name NOT IN (SELECT flow_name FROM ledger.express_flows) OR NOT EXISTS (
            SELECT FROM ledger.claims h WHERE h.record_id = c.record_id AND h.claim_number = c.claim_number)""",
    "a record had more than one express attempt before its claim": """
        SELECT record_id, claim_number, count(*) FROM ledger.lost_attempts WHERE NOT mark_may_be_lost
        GROUP BY record_id, claim_number HAVING count(*) > 1""",
    "a record whose express attempt was lost was completed in a slice under the same claim": """
        SELECT c.record_id, c.claim_number FROM ledger.lost_attempts c
        JOIN ledger.history h ON h.record_id = c.record_id AND h.claim_number = c.claim_number
        WHERE h.old_status = 'pending' AND h.status = 'completed' AND NOT c.mark_may_be_lost""",
    "a record that had failed, or had a crash strike, was completed in a slice": """
        SELECT h.record_id, h.claim_number FROM ledger.history h
        WHERE h.old_status = 'pending' AND h.status = 'completed' AND (h.retry_count > 0 OR EXISTS (
            SELECT FROM record_attempts a WHERE a.record_id = h.record_id AND a.claim_number < h.claim_number))""",
    "an attempt or a strike was charged for a claim that never existed": """
        SELECT a.record_id, a.claim_number, a.outcome FROM record_attempts a WHERE NOT EXISTS (
            SELECT FROM ledger.history h WHERE h.record_id = a.record_id AND h.claim_number = a.claim_number
                AND h.status = 'processing' AND h.flow_instance_id = a.flow_instance_id)""",
    "a record was completed in a slice that belongs to no run of its flow": """
        SELECT h.record_id, h.flow_instance_id::text FROM ledger.history h
        WHERE h.old_status = 'pending' AND h.status = 'completed' AND NOT EXISTS (
            SELECT FROM flow_execution_logs r
            WHERE r.flow_instance_id = h.flow_instance_id AND r.flow_name = h.flow_name)""",
    "a slice called more handlers than it may have records": """
        SELECT c.flow_instance_id::text, count(*) FROM ledger.calls c
        JOIN processing_queue q ON q.id = c.record_id JOIN ledger.limits l USING (flow_name)
        GROUP BY c.flow_instance_id, c.claimed_at, l.most_records HAVING count(*) > l.most_records""",
    "claim numbers did not rise by one": """
        SELECT record_id FROM (
            SELECT record_id, claim_number, row_number() OVER (PARTITION BY record_id ORDER BY number) AS expected
            FROM ledger.claims) h WHERE claim_number <> expected""",
    "a record took an arrow that does not exist": """
        SELECT record_id, old_status, status FROM ledger.history
        WHERE (old_status, status) NOT IN (('pending', 'processing'), ('processing', 'completed'),
                ('processing', 'pending'), ('processing', 'failed'))
            AND NOT ((old_status, status) = ('pending', 'completed')
                AND flow_name IN (SELECT flow_name FROM ledger.express_flows))""",
    "a record was claimed before it was due": """
        SELECT record_id FROM ledger.claims
        WHERE at < scheduled_at OR claimed_at < ledger.microseconds(scheduled_at)""",
    "a claim or a slice took too many records": """
        SELECT h.transaction_id, count(*) FROM ledger.claims h JOIN ledger.limits l USING (flow_name)
        GROUP BY h.transaction_id, h.flow_name, l.most_records HAVING count(*) > l.most_records""",
}
SLICE_COUNTS = """
SELECT flow_name, count(*) FROM ledger.history WHERE old_status = 'pending' AND status = 'completed'
GROUP BY flow_name ORDER BY flow_name
"""
LOST_ATTEMPTS = "SELECT count(*) FROM ledger.lost_attempts"


def slice_counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    return dict(connection.execute(SLICE_COUNTS).fetchall())


def lost_attempts(connection: psycopg.Connection[Any]) -> int:
    """Returns how many calls of handlers were express attempts whose slice ended without an outcome."""
    row = connection.execute(LOST_ATTEMPTS).fetchone()
    assert row is not None
    return row[0]
