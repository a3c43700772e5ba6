"""Ten seconds after Postgres or Redis is back, records are processed as fast as before.

RECOVERY_OUTAGES: how often each server is stopped. RECOVERY_HANDLER_MS: how many milliseconds a handler takes.
RECOVERY_REPORT: the file for the figures; `make recovery-evidence` sets it.
"""

import os
import signal
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from queue_store.database import schema
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.embedded.redis import EmbeddedRedis
from tests.support.evidence import made_by
from tests.support.servers import connect, reachable_directory
from tests.workers.conftest import Queue
from tests.workers.processes import running_beat, running_worker, wait_until

OUTAGES = int(os.environ.get("RECOVERY_OUTAGES", "1"))
WARM_UP_SECONDS = 3.0
BEFORE_SECONDS = 10
DOWN_SECONDS = 5.0
AFTER_SECONDS = 20
WINDOW_SECONDS = 2.0
STEP_SECONDS = 0.1
SHARE = 0.95
BOUND_SECONDS = 10.0
HANDLER_MS = int(os.environ.get("RECOVERY_HANDLER_MS", "2"))
WAITING_RECORDS = 100_000 if HANDLER_MS else 1_200_000

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(120 + 240 * OUTAGES)]

REPORT = """# Back to full speed after an outage

A worker with two processes, a worker for `control` and a beat run with default settings. They process records that
take {handler_ms} ms each. Postgres (with default durability) or Redis is stopped for {down:.0f} s and then started
again. Postgres is stopped with SIGQUIT, without a checkpoint, so that it must recover from its log.

Rates are counted from `completed_at`. "Before" is the median of the rates in the {before} seconds before the stop.
"Back" is the time from the first answer of the server to the end of the first {window:.0f} s in which the rate was at
least {share:.0%} of "before". So "back" is never less than {window:.0f} s. "Then" is the median of the rates in the
seconds from {bound:.0f} to {after} s after the first answer.

{verdict}

{made_by}

| server | no answer for | records/s before | back after | bound | first record after | records/s then | share |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


@dataclass(frozen=True)
class Recovery:
    server: str
    silent_seconds: float
    before: float
    back_seconds: float | None
    first_seconds: float
    then: float

    @property
    def is_in_time(self) -> bool:
        return self.back_seconds is not None and self.back_seconds <= BOUND_SECONDS

    def row(self) -> str:
        back = "**never**" if self.back_seconds is None else f"{self.back_seconds:.1f} s"
        return (
            f"| {self.server} | {self.silent_seconds:.1f} s | {self.before:,.0f} | {back} | {BOUND_SECONDS:.0f} s "
            f"| {self.first_seconds:.1f} s | {self.then:,.0f} | {self.then / self.before:.0%} |"
        )


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres server for this test alone, as durable as in production. The test may stop it."""
    with reachable_directory() as directory:
        server = EmbeddedPostgres(directory)
        server.start()
        manager = connect(server.url())
        schema.migrate(manager.engine)
        manager.dispose()
        yield server
        server.stop()


def test_ten_seconds_after_postgres_or_redis_return_records_flow_as_before(
    postgres: EmbeddedPostgres, broker: EmbeddedRedis, tmp_path: Path
) -> None:
    environment = {**os.environ, "DATABASE_URL": postgres.url(), "CELERY_BROKER_URL": broker.url()}
    log = tmp_path / "worker.log"
    recoveries: list[Recovery] = []
    with (
        running_worker(environment, log),
        running_worker(environment, tmp_path / "control.log", queues="control", concurrency=1),
        running_beat(environment, tmp_path / "beat.log"),
    ):
        for _ in range(OUTAGES):
            recoveries.append(outage("Postgres", postgres, log, lambda: crash(postgres), postgres.start))
            recoveries.append(outage("Redis", postgres, log, broker.stop, broker.start))
    assert all(recovery.first_seconds <= BOUND_SECONDS for recovery in recoveries), recoveries
    if path := os.environ.get("RECOVERY_REPORT"):  # in other runs, other load could spoil the rates
        Path(path).write_text(report(recoveries, postgres, broker))
        assert all(recovery.is_in_time for recovery in recoveries), recoveries


def outage(
    server: str, postgres: EmbeddedPostgres, log: Path, stop: Callable[[], None], start: Callable[[], None]
) -> Recovery:
    fill(postgres)
    filled_at = time.time()
    wait_until(lambda: bool(completed_since(postgres, filled_at)), "records that flow", log)
    time.sleep(WARM_UP_SECONDS + BEFORE_SECONDS)
    stopped_at = time.time()
    stop()
    time.sleep(DOWN_SECONDS)
    start()
    wait_until(lambda: answers(postgres), "an answer of Postgres", log)
    answered_at = time.time()
    time.sleep(AFTER_SECONDS + 1)
    return judge(server, ends(postgres, stopped_at - BEFORE_SECONDS), stopped_at, answered_at)


def judge(server: str, ends: list[float], stopped_at: float, answered_at: float) -> Recovery:
    """`ends`: the times at which records were completed."""
    before = median_rate(ends, stopped_at - BEFORE_SECONDS, BEFORE_SECONDS)
    steps = [step * STEP_SECONDS for step in range(int((AFTER_SECONDS - WINDOW_SECONDS) / STEP_SECONDS) + 1)]
    full = (s for s in steps if rate(ends, answered_at + s, WINDOW_SECONDS) >= SHARE * before)
    began = next(full, None)
    return Recovery(
        server,
        silent_seconds=answered_at - stopped_at,
        before=before,
        back_seconds=None if began is None else began + WINDOW_SECONDS,
        first_seconds=min(end for end in ends if end >= answered_at) - answered_at,
        then=median_rate(ends, answered_at + BOUND_SECONDS, AFTER_SECONDS - int(BOUND_SECONDS)),
    )


def median_rate(ends: list[float], began: float, seconds: int) -> float:
    return statistics.median(rate(ends, began + second, 1) for second in range(seconds))


def rate(ends: list[float], began: float, seconds: float) -> float:
    return (bisect_left(ends, began + seconds) - bisect_left(ends, began)) / seconds


def fill(postgres: EmbeddedPostgres) -> None:
    """Inserts enough records to last until the outage has been judged."""
    manager = connect(postgres.url())
    queue = Queue(manager)
    waiting = queue.counts().get("pending", 0)
    queue.insert("sleepy", max(1, WAITING_RECORDS - waiting), f'{{"seconds": {HANDLER_MS / 1000}}}')
    manager.dispose()


def completed_since(postgres: EmbeddedPostgres, since: float) -> list[float]:
    with psycopg.connect(postgres.url()) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM completed_at)::float8 FROM processing_queue"
            " WHERE completed_at >= to_timestamp(%s) ORDER BY 1",
            [since],
        ).fetchall()
    return [row[0] for row in rows]


def ends(postgres: EmbeddedPostgres, since: float) -> list[float]:
    """Like `completed_since`, but fails if no pending record is left, because then the workers may have been idle."""
    with psycopg.connect(postgres.url()) as connection:
        pending = connection.execute(
            "SELECT count(*) FROM (SELECT FROM processing_queue WHERE status = 'pending' LIMIT 1) due"
        ).fetchone()
    assert pending == (1,), "the records did not last: set WAITING_RECORDS higher"
    return completed_since(postgres, since)


def crash(postgres: EmbeddedPostgres) -> None:
    postgres.process.send_signal(signal.SIGQUIT)
    postgres.process.wait(20)


def answers(postgres: EmbeddedPostgres) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(postgres.url(), connect_timeout=2) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)
    return False


def report(recoveries: list[Recovery], postgres: EmbeddedPostgres, broker: EmbeddedRedis) -> str:
    late = [recovery for recovery in recoveries if not recovery.is_in_time]
    verdict = (
        f"**{len(late)} of {len(recoveries)} outages fell short of the bound.**"
        if late
        else f"**All {len(recoveries)} outages were over in time.**"
    )
    command = f"make recovery-evidence OUTAGES={OUTAGES} HANDLER_MS={HANDLER_MS}"
    return REPORT.format(
        handler_ms=HANDLER_MS, down=DOWN_SECONDS, before=BEFORE_SECONDS, window=WINDOW_SECONDS, share=SHARE,
        bound=BOUND_SECONDS, after=AFTER_SECONDS, verdict=verdict,
        rows="\n".join(recovery.row() for recovery in recoveries),
        made_by=made_by(command, postgres.url(), broker.url()),
    )  # fmt: skip
