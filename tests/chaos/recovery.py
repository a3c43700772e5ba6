"""Measures how long recovery takes after a fault. A fault can take records from their owners. Recovery ends when the
first of these records is claimed again or finished.

Some faults take no record from an owner, for example faults of the broker or of beat. For these faults, measures the
time until the next claim of any record.
"""

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg

IN_HAND = """
SELECT q.id, q.claim_number FROM processing_queue q JOIN flow_execution_logs r USING (flow_instance_id)
JOIN worker_processes w USING (worker_process_id)
WHERE q.status = 'processing' AND r.state = 'running' AND w.state = 'running'
    AND (%(pids)s::integer[] IS NULL OR w.pid = ANY(%(pids)s))
"""

PREPARE = """
CREATE TABLE IF NOT EXISTS ledger.marks (
    number integer PRIMARY KEY, fault text NOT NULL, injected_at timestamptz NOT NULL, ids bigint[] NOT NULL,
    claim_numbers integer[] NOT NULL);
CREATE INDEX IF NOT EXISTS history_record ON ledger.history (record_id);
CREATE INDEX IF NOT EXISTS history_claim ON ledger.history (at) WHERE status = 'processing';
"""
ENTER = """
INSERT INTO ledger.marks VALUES (%s, %s, to_timestamp(%s), %s, %s)
"""
RECOVERED = """
SELECT m.fault, extract(epoch FROM CASE WHEN m.ids = '{}' THEN (
        SELECT min(h.at) FROM ledger.history h WHERE h.status = 'processing' AND h.at > m.injected_at)
    ELSE (
        SELECT min(h.at) FROM unnest(m.ids, m.claim_numbers) AS old(id, claim_number)
        JOIN ledger.history h ON h.record_id = old.id AND h.at > m.injected_at
            AND (h.claim_number > old.claim_number OR h.status IN ('completed', 'failed'))) END - m.injected_at)
FROM ledger.marks m
"""


@dataclass(frozen=True)
class Mark:
    """The records that were in flight just before a fault."""

    injected_at: float
    claim_numbers: dict[int, int]

    @staticmethod
    def now(in_flight: list[tuple[Any, ...]]) -> "Mark":
        return Mark(time.time(), dict(in_flight))


@dataclass
class Marks:
    """Keeps a `Mark` for each fault of the run. After the run, computes the times of recovery from the table
    ledger.history, which lists all claims and changes of status."""

    marks: list[tuple[str, Mark]] = field(default_factory=list[tuple[str, Mark]])

    def keep(self, fault: str, mark: Mark) -> None:
        self.marks.append((fault, mark))

    def recoveries(self, connection: psycopg.Connection[Any]) -> dict[str, dict[str, float]]:
        connection.execute(PREPARE)
        with connection.cursor() as cursor:
            cursor.executemany(
                ENTER,
                [
                    (number, fault, m.injected_at, list(m.claim_numbers), list(m.claim_numbers.values()))
                    for number, (fault, m) in enumerate(self.marks)
                ],
            )
        connection.execute("ANALYZE ledger.marks, ledger.history")
        by_fault: dict[str, list[float]] = {}
        for fault, seconds in connection.execute(RECOVERED.encode()).fetchall():
            if seconds is not None:
                by_fault.setdefault(fault, []).append(float(seconds))
        return {fault: percentiles(seconds) for fault, seconds in sorted(by_fault.items())}


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
        "max": round(ordered[-1], 2),
    }
