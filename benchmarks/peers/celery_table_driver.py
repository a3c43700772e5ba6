"""A common alternative to our queue: one Celery task for each record, and a table that stores the statuses."""

import json
import os
import sys
import time
from typing import Any

import psycopg
from celery import Celery
from celery.signals import worker_process_init

app = Celery("celery_table", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
)
CREATE = """
CREATE TABLE IF NOT EXISTS jobs (id bigint PRIMARY KEY, payload jsonb NOT NULL, status text NOT NULL DEFAULT 'pending',
    started_at timestamptz, finished_at timestamptz)
"""
SPAN = "SELECT extract(epoch FROM min(started_at))::float8, extract(epoch FROM max(finished_at))::float8, " \
    "count(finished_at) FROM jobs"  # fmt: skip
connection: Any = None


@worker_process_init.connect
def connect(**_: Any) -> None:
    global connection  # noqa: PLW0603
    connection = psycopg.connect(os.environ["PEER_URL"])


@app.task(name="no_op")
def no_op(record_id: int) -> None:
    connection.execute(
        "UPDATE jobs SET status = 'processing', started_at = clock_timestamp() WHERE id = %s RETURNING payload",
        (record_id,),
    ).fetchone()
    connection.commit()
    connection.execute(
        "UPDATE jobs SET status = 'completed', finished_at = clock_timestamp() WHERE id = %s", (record_id,)
    )
    connection.commit()


def fill(count: int) -> None:
    with psycopg.connect(os.environ["PEER_URL"]) as filling:
        filling.execute(CREATE)
        filling.execute("TRUNCATE jobs")
        filling.execute(
            "INSERT INTO jobs (id, payload) SELECT n, jsonb_build_object('text', repeat('x', 150)) "
            "FROM generate_series(1, %s) n",
            (count,),
        )
    began = time.perf_counter()
    with app.producer_pool.acquire() as producer:
        for record_id in range(1, count + 1):
            no_op.apply_async((record_id,), producer=producer)
    print(json.dumps({"count": count, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]))
    else:
        with psycopg.connect(os.environ["PEER_URL"]) as reading:
            row = reading.execute(SPAN).fetchone()
            assert row is not None
            print(json.dumps({"first": row[0], "last": row[1], "count": row[2]}))
