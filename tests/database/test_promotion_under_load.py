"""The primary dies under load, and its standby is promoted: what was acknowledged, and what is there afterwards.

In both cases the link to the standby stalls first. With synchronous commit every COMMIT waits then, so that nothing
acknowledged is lost. Without it commits are acknowledged that never reach the standby. PROMOTION_REPORT names a file
for the figures: `make promotion-evidence`.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tasks.embedded.postgres import EmbeddedPostgres
from tests.support.acknowledged import Producer, running_producers
from tests.support.evidence import made_by
from tests.support.promotion import Promotion, judged, report
from tests.support.replica import on_ports, running_pair
from tests.support.servers import connect
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

    promotion = promote_under_load("synchronous", SYNCHRONOUS, stalled, redis_url, tmp_path)
    assert promotion.lost == 0


def test_with_asynchronous_commit_only_the_last_moments_are_lost(redis_url: str, tmp_path: Path) -> None:
    def stalled(queue: Queue, producers: list[Producer]) -> None:
        before, completed = acknowledged_by(producers), queue.counts()["completed"]
        wait_until(lambda: acknowledged_by(producers) >= before + 100, "acknowledgements")
        wait_until(lambda: queue.counts()["completed"] >= completed + 100, "records that are completed")

    promotion = promote_under_load("asynchronous", ASYNCHRONOUS, stalled, redis_url, tmp_path)
    assert promotion.lost >= 1  # or the link did not stall
    assert promotion.lost_although_replicated == 0


def promote_under_load(
    name: str,
    settings: dict[str, str],
    stalled: Callable[[Queue, list[Producer]], None],
    redis_url: str,
    directory: Path,
) -> Promotion:
    """`stalled` returns when the primary may end. What holds for both kinds is judged here."""
    log = directory / "worker.log"
    with (
        running_pair(settings) as pair,
        on_ports(pair) as ports,
        queue_of(pair.primary) as old,
        queue_of(pair.replica) as new,
    ):
        with old.database.transaction() as cursor:
            cursor.execute("CREATE TABLE effects (record_id bigint NOT NULL, claim_number integer NOT NULL)")
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
            promoted_at, completed = time.monotonic(), new.counts().get("completed", 0)
            wait_until(
                lambda: new.counts().get("completed", 0) > completed,
                "work that goes on",
                log,
            )
            first_seconds, then = time.monotonic() - promoted_at, acknowledged_by(producers)
            wait_until(lambda: acknowledged_by(producers) > then + 100, "producers that go on", log)
            for producer in producers:
                producer.stop()
            wait_until(lambda: new.counts().keys() == {"completed"}, "the end of all", log)
        promotions.append(
            judged(
                new,
                producers,
                received,
                name=name,
                acknowledged_while_stalled=while_stalled,
                seconds_to_promote=promoted_at - crashed_at,
                first_seconds=first_seconds,
                made_by=made_by("make promotion-evidence", pair.replica.url(), redis_url),
            )
        )
    return promotions[-1]


def acknowledged_by(producers: list[Producer]) -> int:
    return sum(producer.acknowledged_count for producer in producers)


@contextmanager
def queue_of(server: EmbeddedPostgres) -> Iterator[Queue]:
    database = connect(server.url())
    yield Queue(database)
    database.dispose()
