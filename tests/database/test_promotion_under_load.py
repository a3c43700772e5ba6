"""The primary crashes under load, and its standby is promoted. Afterwards, the acknowledged records are compared with
the records on the new primary.

Before the crash, the link to the standby stalls. With synchronous replication, every COMMIT waits for the standby, so
no acknowledged record is lost. Without synchronous replication, the primary acknowledges some COMMITs that never reach
the standby. `make promotion-evidence` sets PROMOTION_REPORT to the file for the figures.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.acknowledged import Producer, acknowledged_by, running_producers
from tests.support.evidence import made_by
from tests.support.promotion import EFFECTS, Outcome, Promotion, judged, queue_of, report
from tests.support.replica import on_ports, running_pair
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until as wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

URL = "postgresql://postgres@127.0.0.1:{primary},127.0.0.1:{standby}/postgres?target_session_attrs=read-write"
SETTINGS = {"HEARTBEAT_SECONDS": "0.5", "LEASE_SECONDS": "3"}
SYNCHRONOUS = {"synchronous_commit": "on", "synchronous_standby_names": "standby"}
ASYNCHRONOUS = {"synchronous_commit": "on"}
SYNCHRONOUS_WAITS = """SELECT count(*)::int FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND application_name = 'producer'"""
promotions: list[Promotion] = []
wait_until = partial(wait_for, timeout_seconds=60)


@pytest.fixture(scope="module", autouse=True)
def _reported() -> Iterator[None]:
    yield
    if path := os.environ.get("PROMOTION_REPORT"):
        Path(path).write_text(report(promotions))


def test_with_synchronous_commit_nothing_acknowledged_is_lost(redis_url: str, tmp_path: Path) -> None:
    def stalled(queue: Queue, producers: list[Producer]) -> None:
        wait_until(
            lambda: queue.value(SYNCHRONOUS_WAITS) == len(producers), "producers that wait for the standby"
        )

    outcome = promote_under_load("synchronous", SYNCHRONOUS, stalled, redis_url, tmp_path)
    assert outcome.lost == 0


def test_with_asynchronous_commit_only_the_last_moments_are_lost(redis_url: str, tmp_path: Path) -> None:
    def stalled(queue: Queue, producers: list[Producer]) -> None:
        before, completed = acknowledged_by(producers), queue.counts()["completed"]
        wait_until(lambda: acknowledged_by(producers) >= before + 100, "acknowledgements")
        wait_until(lambda: queue.counts()["completed"] >= completed + 100, "records that are completed")

    outcome = promote_under_load("asynchronous", ASYNCHRONOUS, stalled, redis_url, tmp_path)
    assert outcome.lost >= 1  # otherwise the link did not stall
    assert outcome.lost_although_received == 0


def promote_under_load(
    name: str,
    settings: dict[str, str],
    stalled: Callable[[Queue, list[Producer]], None],
    redis_url: str,
    directory: Path,
) -> Outcome:
    """Stalls the link to the standby, and calls `stalled`. Then the primary crashes, and the standby is promoted."""
    log = directory / "worker.log"
    with (
        running_pair(settings) as pair,
        on_ports(pair) as ports,
        queue_of(pair.primary) as old,
        queue_of(pair.replica) as new,
    ):
        with old.database.transaction() as cursor:
            cursor.execute(EFFECTS)
        url = URL.format(**ports)
        environment = {**os.environ, "DATABASE_URL": url, "CELERY_BROKER_URL": redis_url}
        with running_worker(environment, log, settings=SETTINGS), running_producers(url) as producers:
            wait_until(lambda: old.counts().get("completed", 0) >= 200, "records that flow", log)
            received = [key for producer in producers for key in producer.acknowledged()]
            pair.go_on()
            pair.link.stall()
            before = acknowledged_by(producers)
            stalled(old, producers)
            pair.crash()
            while_stalled, crashed_at = acknowledged_by(producers) - before, time.monotonic()
            pair.promote()
            seconds_to_promote = time.monotonic() - crashed_at
            first_seconds = seconds_until_work_goes_on(new, producers, log)
        made = made_by("make promotion-evidence", pair.replica.url(), redis_url)
        outcome = judged(new, producers, received)
    promotions.append(Promotion(name, outcome, while_stalled, seconds_to_promote, first_seconds, made))
    return outcome


def seconds_until_work_goes_on(queue: Queue, producers: list[Producer], log: Path) -> float:
    """Waits until all records are completed. Returns the seconds from the promotion until a worker completed a
    record."""
    completed, acknowledged = queue.counts().get("completed", 0), acknowledged_by(producers)
    seconds = wait_until(lambda: queue.counts().get("completed", 0) > completed, "work that goes on", log)
    wait_until(lambda: acknowledged_by(producers) > acknowledged + 100, "producers that go on", log)
    for producer in producers:
        producer.stop()
    wait_until(lambda: queue.counts().keys() == {"completed"}, "the end of all", log)
    return seconds
