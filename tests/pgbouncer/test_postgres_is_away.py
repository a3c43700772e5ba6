"""If Postgres is unreachable, a statement behind PgBouncer waits for two minutes by default. Heartbeats, checks, probes
and the Queue page do not wait that long. A worker can start as soon as Postgres is reachable again."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from queue_store.errors import DatabaseUnavailableError
from queue_store.settings import ProcessorSettings
from tasks.alerts.judging import judge_everything
from tasks.app import app
from tasks.background import patient_start, worker_signals
from tasks.background.heartbeat import Heartbeat
from tasks.health import connection_pool_monitoring, database_health_check
from tests.pgbouncer.conftest import Pooler
from tests.support.flow_runs import running_worker
from tests.support.flower_process import FlowerProcess, environment
from tests.support.pgbouncer import SETTING
from tests.support.servers import connect
from tests.support.store import in_background
from tests.workers.processes import wait_until

BEATS = "SELECT max(heartbeat_at) > now() - interval '1 s' FROM worker_processes"
Start = Callable[..., Pooler]


@pytest.fixture(autouse=True)
def _is_behind_pgbouncer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "true")


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_the_heartbeat_goes_on_and_beats_again(start_pooler: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    pooler = start_pooler(server_login_retry="1")
    times = {"heartbeat_seconds": 0.1, "lease_seconds": 0.5}
    with running_worker(pooler.url, monkeypatch, **times) as worker:
        heartbeat = Heartbeat(worker.services)
        heartbeat.attempt_in_time(heartbeat.beat)
        pooler.postgres.stop()
        threads = threading.active_count()
        for _ in range(4):
            assert seconds(lambda: heartbeat.attempt_in_time(heartbeat.beat)) < 20
        assert threading.active_count() <= threads + 1  # one statement hangs, and no second one is sent
        pooler.postgres.start()

        def beats() -> bool:
            heartbeat.attempt_in_time(heartbeat.beat)
            with psycopg.connect(pooler.postgres.url()) as observer:
                return observer.execute(BEATS).fetchone() == (True,)

        wait_until(beats, "a heartbeat")


def test_checks_and_probes_answer(start_pooler: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.alerts.judging.ANSWER_SECONDS", 1.5)
    monkeypatch.setattr("tasks.health.ANSWER_SECONDS", 1.0)
    pooler = start_pooler(server_login_retry="1")
    monkeypatch.setenv("DATABASE_URL", pooler.url)
    database = connect(pooler.url, pgbouncer=True)
    with database.transaction() as cursor:
        cursor.execute("SELECT 1")
    pooler.postgres.stop()
    with pytest.raises(DatabaseUnavailableError, match="did not answer within"):
        assert seconds(lambda: judge_everything(database, ProcessorSettings())) < 20
    for probe in (database_health_check, connection_pool_monitoring):
        began = time.monotonic()
        assert probe()["status"] == "unhealthy"
        assert time.monotonic() - began < 20
    pooler.postgres.start()
    database.dispose()


def test_the_page_answers(start_pooler: Start, redis_url: str, tmp_path: Path) -> None:
    pooler = start_pooler(server_login_retry="1")
    page = FlowerProcess(environment(pooler.url, redis_url), tmp_path / "flower.log").wait()
    try:
        assert page.ask("/queue/api/overview").status == 200
        pooler.postgres.stop()
        assert page.ask("/queue/api/overview").status == 503  # this client waits for at most 30 s
        pooler.postgres.start()
        wait_until(lambda: page.ask("/queue/api/overview").status == 200, "the page", page.log)
    finally:
        page.stop()


def test_a_start_waits_while_pgbouncer_does_not_log_in(
    start_pooler: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pooler = start_pooler(query_wait_timeout="1", server_login_retry="2")
    monkeypatch.setenv("DATABASE_URL", pooler.url)
    pooler.postgres.stop()
    pooler.wait_until_refused()
    starting = in_background(lambda: patient_start.check_schema("a test"))
    wait_until(lambda: "this process waits for at most" in caplog.text, "the first refusal")
    pooler.postgres.start()
    starting.result(30)


def test_a_start_does_not_wait_for_ever(
    start_pooler: Start, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooler = start_pooler(query_wait_timeout="1", server_login_retry="60")
    monkeypatch.setenv("DATABASE_URL", pooler.url)
    monkeypatch.setitem(app.conf, "broker_url", redis_url)
    monkeypatch.setattr(patient_start, "PATIENCE_SECONDS", 2)
    pooler.postgres.stop()
    pooler.wait_until_refused()
    with pytest.raises(SystemExit, match="cannot be used"):
        worker_signals.check_before_beat()
    pooler.postgres.start()
