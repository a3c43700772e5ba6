"""Without the broker, work goes on. Once the broker is back, no record is doubled and no record is left waiting.

BROKER_AWAY_SECONDS: how many seconds the broker is stopped. BROKER_AWAY_REPORT: the file into which the test writes the
figures. `make test-broker-away` sets both.
"""

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tasks.embedded.redis import EmbeddedRedis
from tests.support.evidence import made_by
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

AWAY_SECONDS = float(os.environ.get("BROKER_AWAY_SECONDS", "8"))
# If the handlers did nothing, the worker would need ten million rows for ten minutes.
HANDLER_SECONDS = 0.002 if AWAY_SECONDS > 60 else 0.0
WITH_BROKER_SECONDS = max(5.0, AWAY_SECONDS / 20)

pytestmark = [pytest.mark.alone, pytest.mark.timeout(180 + 2 * AWAY_SECONDS)]

REPORT = """# Ten minutes without the broker

A worker with two processes works on records that take {handler_ms:.0f} ms each. During this work, Redis is stopped
for {away:.0f} s and then started again. No beat runs.

{made_by}

| | measured | bound |
| --- | --- | --- |
| records per second with Redis (over {with_seconds:.0f} s) | {with_broker:,.0f} | |
| records per second while Redis was away | {without:,.0f} | |
| share of the throughput with Redis | {share:.0%} | at least 50 % |
| records finished while Redis was away | {finished:,} | |
| from the return of Redis to the end of the first record enqueued after it | {first:.2f} s | 10 s |
| from the return of Redis until the worker is connected to it | {connected:.2f} s | |
| records enqueued in all | {enqueued:,} | |
| of them lost (not completed) | {lost} | 0 |
| of them claimed more than once | {doubled} | 0 |
| failed attempts and crash strikes charged | {charged} | 0 |
"""

OUTCOMES = """
SELECT count(*) FILTER (WHERE status = 'completed'),
    sum(claim_number - 1) - (SELECT coalesce(sum(records_released), 0) FROM flow_execution_logs),
    sum(retry_count + crash_strikes)::int
FROM processing_queue
"""


@pytest.fixture
def environment(settings_environment: dict[str, str], broker: EmbeddedRedis) -> dict[str, str]:
    return settings_environment | {"CELERY_BROKER_URL": broker.url()}


def test_children_that_die_while_the_broker_is_away_are_replaced_and_their_records_come_back(
    queue: Queue, environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    with running_worker(environment, log, settings={"IDLE_POLL_SECONDS": "0.3"}) as worker:
        broker.stop()
        wait_until(lambda: "Cannot connect to redis" in log.read_text(), "the loss of the broker", log)
        queue.insert("sleepy", 5, '{"seconds": 60}')
        wait_until(lambda: queue.counts().get("processing") == 5, "a batch in flight", log)
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 0}' RETURNING id")
        killed = set(worker.children())
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        seconds = wait_until(lambda: queue.counts() == {"completed": 5}, "all records", log)
        assert seconds < 20
        assert not killed & set(worker.children())
        assert "Connected to redis" not in log.read_text().partition("Cannot connect to redis")[2]
    assert queue.value("SELECT max(retry_count) FROM processing_queue") == 0


@pytest.mark.long
def test_work_goes_on_without_broker_and_beat(
    queue: Queue, environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    with running_worker(environment, log, settings={"TIME_SLICE_SECONDS": "1"}) as worker:
        with_broker = drain(queue, WITH_BROKER_SECONDS, log)
        broker.stop()
        wait_until(lambda: "Cannot connect to redis" in log.read_text(), "the loss of the broker", log)
        without = drain(queue, AWAY_SECONDS, log)
        broker.start()
        first, connected = first_record_and_connection(queue, log)
        assert worker.popen.poll() is None
    enqueued = with_broker.enqueued + without.enqueued + 1
    completed, doubled, charged = queue.rows(OUTCOMES)[0]
    if path := os.environ.get("BROKER_AWAY_REPORT"):
        made = made_by(
            f"make test-broker-away SECONDS_AWAY={AWAY_SECONDS:.0f}",
            environment["DATABASE_URL"],
            broker.url(),
        )
        figures = REPORT.format(
            away=AWAY_SECONDS, handler_ms=1000 * HANDLER_SECONDS, made_by=made,
            with_seconds=WITH_BROKER_SECONDS, with_broker=with_broker.per_second,
            without=without.per_second, share=without.per_second / with_broker.per_second, first=first,
            finished=without.finished, connected=connected, enqueued=enqueued, lost=enqueued - completed,
            doubled=doubled, charged=charged,
        )  # fmt: skip
        Path(path).write_text(figures)
    assert without.per_second >= 0.5 * with_broker.per_second, f"{without} after {with_broker}"
    assert first <= 10
    assert (completed, doubled, charged) == (enqueued, 0, 0)


def first_record_and_connection(queue: Queue, log: Path) -> tuple[float, float]:
    """Enqueues a record. Returns the seconds until the record is completed, and the seconds until the worker is
    connected to the broker again."""
    returned_at = queue.value("SELECT clock_timestamp()")
    queue.insert("quick", 1)
    connected = wait_until(
        lambda: log.read_text().count("Connected to redis") >= 2, "the broker again", log, 60
    )
    wait_until(lambda: set(queue.counts()) == {"completed"}, "the first record after it", log)
    first = queue.value(
        "SELECT extract(epoch FROM max(completed_at) - %(returned_at)s)::float8 FROM processing_queue",
        returned_at=returned_at,
    )
    return first, connected


@dataclass(frozen=True)
class Drained:
    per_second: float
    finished: int
    enqueued: int


def drain(queue: Queue, seconds: float, log: Path) -> Drained:
    """Keeps work in the queue for `seconds`, counts the records that finish in this time, and waits for the rest."""
    completed = "SELECT count(*) FROM processing_queue WHERE status = 'completed'"
    pending = "SELECT count(*) FROM (SELECT FROM processing_queue WHERE status = 'pending' LIMIT 5000) due"
    before, enqueued = queue.value(completed), 10_000
    insert = partial(queue.insert, "sleepy", 10_000, f'{{"seconds": {HANDLER_SECONDS}}}')
    insert()
    wait_until(lambda: queue.value(completed) > before, "a start", log)
    began, first = time.monotonic(), queue.value(completed)
    while time.monotonic() - began < seconds:
        if queue.value(pending) < 5_000:
            insert()
            enqueued += 10_000
        time.sleep(0.2)
    finished = queue.value(completed) - first
    per_second = finished / (time.monotonic() - began)
    wait_until(lambda: set(queue.counts()) == {"completed"}, "the rest", log, 60)
    return Drained(per_second, finished, enqueued)
