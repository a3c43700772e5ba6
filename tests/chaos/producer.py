"""A producer that is a process of its own: `python -m tests.chaos.producer URL JOURNAL PREFIX BATCHES_PER_SECOND`.

Before each COMMIT, the producer notes in its journal which batch it tries to commit. After the COMMIT, it notes that
the batch was acknowledged. The producer can be killed at any moment. Its successor uses another prefix. The producer
waits while there is a file `hold` next to the journal, and ends when there is a file `stop`.
"""

import itertools
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from queue_store.enqueueing import NewRecord, enqueue_many
from queue_store.errors import QueueStoreError
from tests.chaos.hostile import MISUSES
from tests.chaos.switch import is_express
from tests.support.pgbouncer import SETTING

BATCH_SIZE = 50
PREPARE_THRESHOLD = None if os.environ.get(SETTING) == "true" else 5  # behind PgBouncer: never prepare
USUAL = (93.6, 5, 1, 0.4)
TROUBLED = (86.6, 10, 2, 1.4)
CLEAN_BATCHES = 0.7
BURST = 10 if is_express() else 1  # batches of one flow in a row, because a slice follows only a full claim
FLOW_NAMES = ["transfer", "notice"] if not is_express() else [*3 * ["transfer"], *5 * ["notice"], "letter"]
INSERT = """
INSERT INTO processing_queue (flow_name, payload, correlation_id)
SELECT %(flow_name)s, p.payload, p.payload ->> 'key' FROM unnest(%(payloads)s::jsonb[]) AS p(payload)
"""


def keys(batch: str) -> list[str]:
    return [f"{batch}/{number}" for number in range(BATCH_SIZE)]


def produce(url: str, directory: Path, journal: int, prefix: str, per_second: float) -> None:
    rng = random.Random(prefix)
    due_at, flow_name = time.monotonic(), ""
    connection: psycopg.Connection[Any] | None = None
    for number in itertools.count():
        if number % BURST == 0:
            flow_name = rng.choice(FLOW_NAMES)
            due_at = max(due_at + BURST / per_second, time.monotonic() - 1)
        time.sleep(max(0.0, due_at - time.monotonic()))
        while (directory / "hold").exists() and not (directory / "stop").exists():
            time.sleep(0.05)
        if (directory / "stop").exists():
            return
        batch = f"{prefix}-{number}"
        _note(journal, {"tried": batch})
        # If the database raises an error, the producer acknowledges no record of this batch. The COMMIT may have
        # happened or not, and the ledger, which judges the chaos runs, accepts both.
        with suppress(psycopg.Error, QueueStoreError):
            if connection is None or connection.closed:
                connection = psycopg.connect(
                    url, connect_timeout=5, application_name="producer", prepare_threshold=PREPARE_THRESHOLD
                )
            with connection.transaction():
                _insert(connection, flow_name, batch, rng)
            _note(journal, {"acknowledged": batch})


def _insert(connection: psycopg.Connection[Any], flow_name: str, batch: str, rng: random.Random) -> None:
    payloads = _payloads(flow_name, batch, rng)
    if rng.random() < 0.5:
        parameters = {"flow_name": flow_name, "payloads": [json.dumps(payload) for payload in payloads]}
        connection.execute(INSERT, parameters)
    else:
        records = [NewRecord(payload, correlation_id=payload["key"]) for payload in payloads]
        enqueue_many(connection, flow_name, records)
    if rng.random() < 0.2:
        time.sleep(0.05)  # between INSERT and COMMIT, where a kill does the most harm


def _payloads(flow_name: str, batch: str, rng: random.Random) -> list[dict[str, Any]]:
    """A slice ends at the first record that is not completed. So with express, most batches have only records that are
    completed at their first attempt. To make up for this, each other batch has more failing and hostile records than a
    batch without express."""
    if not is_express():
        return [_payload(flow_name, key, rng) for key in keys(batch)]
    if rng.random() < CLEAN_BATCHES:
        return [{"key": key, "how": "ok", "seconds": _pause(rng)} for key in keys(batch)]
    return [_payload(flow_name, key, rng, TROUBLED) for key in keys(batch)]


def _pause(rng: random.Random) -> float:
    """Lets some handlers take long. So some slices become long, and faults hit slices in progress."""
    return rng.choices([0, 0.02, 0.15], [97.5, 2.2, 0.3])[0]


def _payload(
    flow_name: str, key: str, rng: random.Random, weights: Sequence[float] = USUAL
) -> dict[str, Any]:
    how = rng.choices(["ok", "retry", "fail", "hostile"], weights)[0]
    if how == "hostile":
        return {"key": key, "how": how, "do": rng.choice(MISUSES[flow_name])}
    return {
        "key": key,
        "how": how,
        "seconds": 0.02 if rng.random() < 0.01 else 0,
        "more": rng.random() < 0.05,
    }


def _note(journal: int, line: dict[str, str]) -> None:
    os.write(journal, json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    url, path, prefix, rate = sys.argv[1:]
    opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    produce(url, Path(path).parent, opened, prefix, float(rate))
