"""Workers of two releases work side by side under load. One expanding migration lies between the two releases. The new
release takes over, then the old release again, then the new release. At the end a third release contracts the
schema.

UPGRADE_ROWS: the number of rows of another flow in the queue. UPGRADE_SECONDS: how long each stage lasts.
UPGRADE_REPORT: the file for the figures. `make upgrade-evidence` sets these three variables.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import redis

from tasks.embedded.postgres import EmbeddedPostgres
from tests.support.acknowledged import running_producers
from tests.support.evidence import made_by
from tests.support.lock_prober import probed
from tests.support.next_releases import EFFECTS, FLOW_NAME, TINT, Release, three_releases
from tests.support.recounting import recount
from tests.support.schemas import SEARCH_PATH
from tests.support.servers import connect, reachable_directory
from tests.support.upgrade_report import LOCK_MS, SHARE, Stages, judged, report
from tests.workers.processes import CeleryProcess, wait_until

ROWS = int(os.environ.get("UPGRADE_ROWS", "100000"))
PENDING_ROWS = ROWS // 20
SECONDS = float(os.environ.get("UPGRADE_SECONDS", "1"))
BUSY = 3  # the factor by which waits may be longer on a machine with other load
FINISHED = """
INSERT INTO processing_queue (flow_name, status, claim_number, flow_instance_id, scheduled_at, created_at, updated_at,
    claimed_at, started_at, completed_at, payload)
SELECT 'before', 'completed', 1, gen_random_uuid(), at, at, at, at, at, at, jsonb_build_object('n', n)
FROM (SELECT n, now() - n * interval '1 second' AS at FROM generate_series(1, %s) AS n) made
"""
PENDING = """
INSERT INTO processing_queue (flow_name, scheduled_at, payload)
SELECT 'before', now() + interval '1 day' + n * interval '1 second', jsonb_build_object('n', n)
FROM generate_series(1, %s) AS n
"""
COMPLETED = "SELECT count(*) FROM processing_queue WHERE flow_name = %s AND status = 'completed'"
UNFINISHED = "SELECT count(*) FROM processing_queue WHERE flow_name = %s AND status <> 'completed'"

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(300 + 20 * SECONDS + ROWS / 2000)]


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server with Postgres' default settings, so it is as durable as in production."""
    with reachable_directory() as directory:
        server = EmbeddedPostgres(directory, settings=SEARCH_PATH)
        server.start()
        yield server
        server.stop()


def fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(EFFECTS)
        connection.execute("SET session_replication_role = replica")  # no triggers: `recount` counts below
        connection.execute(FINISHED, [ROWS - PENDING_ROWS])
        connection.execute(PENDING, [PENDING_ROWS])
        connection.execute("VACUUM (ANALYZE) processing_queue")
    database = connect(url)
    recount(database)
    database.dispose()


class Deployment:
    """The workers of one release, or of two releases while one takes over."""

    def __init__(self, stages: Stages, stack: ExitStack) -> None:
        self._stages = stages
        self._stack = stack
        self._worker: CeleryProcess | None = None

    def start(self, release: Release) -> CeleryProcess:
        worker = self._stack.enter_context(release.worker())
        self._worker = self._worker or worker
        return worker

    def take_over(self, release: Release) -> None:
        assert self._worker is not None
        with self._stages.stage(f"workers of {release.name} start next to the others", SECONDS):
            worker = self.start(release)
        with self._stages.stage(f"the others stop: {release.name} alone", SECONDS):
            assert self._worker.terminate() == 0
        self._worker = worker


def upgrade(stages: Stages, releases: tuple[Release, Release, Release], deployment: Deployment) -> None:
    old, new, last = releases
    with stages.stage("n alone", 2 * SECONDS):
        pass
    with stages.stage("n+1 migrates: expand", SECONDS, migrates=True):
        new.migrate()
    deployment.take_over(new)
    deployment.take_over(old)
    with stages.stage("n+2 is refused", 0):
        refused = last.build.queuectl("migrate")
        assert refused.returncode == 1
        assert f"Deploy a release of schema {TINT} or newer first" in refused.stderr
    deployment.take_over(new)
    with stages.stage("n+2 migrates: contract", SECONDS, migrates=True):
        last.migrate()


def test_two_releases_side_by_side_lose_and_double_nothing_and_keep_nobody_waiting(
    postgres: EmbeddedPostgres, redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    url = postgres.url()
    releases = three_releases(tmp_path, url, redis_url)
    releases[0].migrate()
    fill(url)
    stages = Stages()
    with ExitStack() as stack:
        deployment = Deployment(stages, stack)
        deployment.start(releases[0])
        producers = stack.enter_context(running_producers(url, FLOW_NAME, slow=1))
        stack.enter_context(probed(url))
        wait_until(lambda: count(url, COMPLETED) > 500, "records that flow")
        upgrade(stages, releases, deployment)
        for producer in producers:
            producer.stop()
        wait_until(lambda: count(url, UNFINISHED) == 0, "the end of all records", timeout_seconds=60)
    stages.measure(url)
    verdict = judged(url, producers)
    made = made_by(f"make upgrade-evidence ROWS={ROWS}", url, redis_url)
    told = report(stages, verdict, ROWS, ROWS - PENDING_ROWS, made)
    assert (verdict.lost, verdict.doubled, verdict.unfinished, verdict.charged) == (0, 0, 0, 0), told
    assert verdict.by_build.keys() == {"n", "n+1"}, told
    assert stages.longest_wait_ms <= BUSY * LOCK_MS, told
    if path := os.environ.get("UPGRADE_REPORT"):  # the strict bounds apply only where nothing else runs
        Path(path).write_text(told)
        assert stages.slowest_share >= SHARE, told
        assert max(stages.longest_wait_ms, stages.lock_bound_ms) <= LOCK_MS, told


def count(url: str, question: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode(), [FLOW_NAME]).fetchone()
    assert row is not None
    return int(row[0])
