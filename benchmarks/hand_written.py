"""A worker that a user could write by hand for the work of the flow `writes_row`. It claims a batch in one transaction.
In a second transaction, it inserts a row for each record and marks the batch as completed. It has no savepoints, fence,
history or counts. Two of these workers run at the same time."""

import sys
import uuid

import psycopg

from benchmarks.flows_measured import INSERT_ROW

CLAIM = """
WITH candidate AS MATERIALIZED (
    SELECT id FROM processing_queue
    WHERE status = 'pending' AND flow_name = 'writes_row' AND priority = 5 AND scheduled_at <= now()
    ORDER BY scheduled_at, id LIMIT 100 FOR UPDATE SKIP LOCKED
)
UPDATE processing_queue q
SET status = 'processing', claimed_at = clock_timestamp(), flow_instance_id = %s, claim_number = claim_number + 1
FROM candidate c WHERE q.id = c.id
RETURNING q.id, q.payload
"""
ACKNOWLEDGE = """
UPDATE processing_queue SET status = 'completed', completed_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE id = ANY(%s)
"""


def work(url: str) -> None:
    owner = uuid.uuid4()
    with psycopg.connect(url) as connection:
        print("connected", flush=True)
        sys.stdin.read()
        while True:
            batch = connection.execute(CLAIM, (owner,), binary=True).fetchall()
            connection.commit()
            if not batch:
                return
            for record_id, payload in batch:
                connection.execute(INSERT_ROW, (record_id, payload["n"] * 2))
            connection.execute(ACKNOWLEDGE, ([record_id for record_id, _ in batch],))
            connection.commit()


if __name__ == "__main__":
    work(sys.argv[1])
