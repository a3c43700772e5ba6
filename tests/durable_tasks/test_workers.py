"""One worker command runs an application's durable tasks and its other tasks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.flows import register
from queue_store.settings import ProcessorSettings
from tasks.authoring.registry import find_flow
from tasks.worker.services import declaration
from tests.durable_tasks import shop_under_test
from tests.workers.processes import CeleryProcess, running_worker, wait_until

MODULE = shop_under_test.__name__
QUICK = {"HEARTBEAT_SECONDS": "0.4", "LEASE_SECONDS": "30", "IDLE_POLL_SECONDS": "0.3"}
PATIENCE_SECONDS = 60
SLOW_ENDED = {("shop.slow", "completed", 0)}


class Effects:
    def __init__(self, database: DatabaseManager) -> None:
        self._database = database

    def texts(self) -> list[str]:
        with self._database.transaction() as cursor:
            return [row[0] for row in cursor.execute("SELECT text FROM task_effects ORDER BY at").fetchall()]

    def records(self) -> set[tuple[str, str, int]]:
        with self._database.transaction() as cursor:
            rows = cursor.execute("SELECT flow_name, status, crash_strikes FROM processing_queue").fetchall()
            return set(rows)

    def of_flow(self, name: str) -> set[tuple[str, str, int]]:
        return {record for record in self.records() if record[0] == name}

    def attempts(self) -> list[str]:
        """The outcomes of all attempts that failed, crashed or were cancelled."""
        with self._database.transaction() as cursor:
            return [row[0] for row in cursor.execute("SELECT outcome FROM record_attempts").fetchall()]

    def wait_for(self, *texts: str, log: Path) -> None:
        wait_until(lambda: set(texts) <= set(self.texts()), f"the effects {texts}", log, PATIENCE_SECONDS)


@pytest.fixture
def effects(database: DatabaseManager) -> Iterator[Effects]:
    with database.transaction() as cursor:
        cursor.execute(
            "CREATE TABLE task_effects (text text NOT NULL, pid integer, at timestamptz DEFAULT clock_timestamp())"
        )
    yield Effects(database)
    with database.transaction() as cursor:
        cursor.execute("DROP TABLE task_effects")


@pytest.fixture
def producer(settings_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Prepares the shop's application, so that this process can call its tasks as a producer does."""
    for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
        monkeypatch.setenv(name, settings_environment[name])
    app = shop_under_test.app
    app.conf.broker_url = settings_environment["CELERY_BROKER_URL"]
    for name in ("database", "hints"):
        app.__dict__.pop(name, None)
    app.load_tasks()
    flows = [find_flow(name) for name in app.tasks if app.is_durable(name)]
    with app.database.transaction() as cursor:  # as queuectl register does
        register(cursor, [declaration(flow, ProcessorSettings()) for flow in flows if flow is not None])
    yield
    app.database.dispose()
    app.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def worker(environment: dict[str, str], log: Path, *options: str) -> "Iterator[CeleryProcess]":
    return running_worker(  # type: ignore[return-value]
        environment, log, queues="flows,control,celery", concurrency=1, flows=MODULE, settings=QUICK, options=options
    )  # fmt: skip


@pytest.mark.usefixtures("producer")
def test_both_kinds_run_in_one_worker_never_two_at_a_time(
    effects: Effects, settings_environment: dict[str, str], log: Path
) -> None:
    with worker(settings_environment, log):
        result = shop_under_test.note.delay("durable")
        assert result.get(timeout=PATIENCE_SECONDS) == "durable"
        for _ in range(10):
            shop_under_test.slow.delay("durable")
        for number in range(5):
            shop_under_test.plain_slow.delay(f"plain {number}")
        shop_under_test.plain_endless.delay("began")
        shop_under_test.plain_too_slow.apply_async(("stopped",))
        texts = [f"plain {number}" for number in range(5)]
        effects.wait_for("durable", "began", "stopped", *texts, log=log)
        wait_until(lambda: effects.of_flow("shop.slow") == SLOW_ENDED, "the records", log, PATIENCE_SECONDS)
        said = "plain.endless did not end within its time limit of 3 s"
        wait_until(lambda: said in log.read_text(), "the end of the endless task", log, PATIENCE_SECONDS)
    assert not [text for text in effects.texts() if "two at a time" in text]


@pytest.mark.long
@pytest.mark.usefixtures("producer")
def test_a_task_whose_process_died_is_repeated_only_with_acks_late(
    effects: Effects, settings_environment: dict[str, str], log: Path
) -> None:
    with worker(settings_environment, log):
        once = shop_under_test.note.delay("known")
        once.get(timeout=PATIENCE_SECONDS)
        died = shop_under_test.die.delay("once")
        shop_under_test.die_late.delay("again")
        ended = {("shop.note", "completed", 0), ("shop.die", "failed", 1), ("shop.die_late", "failed", 3)}
        wait_until(lambda: effects.records() == ended, "the ends of all", log, PATIENCE_SECONDS)
    assert sorted(effects.texts()) == ["again", "again", "again", "known", "once"]
    with pytest.raises(Exception, match="died while it worked") as raised:
        died.get(timeout=0)
    assert type(raised.value).__name__ == "WorkerLostError"


@pytest.mark.long
@pytest.mark.usefixtures("producer")
@pytest.mark.parametrize("option", ["--time-limit=1", "--max-tasks-per-child=1", "--max-memory-per-child=1"])
def test_children_retire_between_runs_and_limits_end_no_run(
    option: str, effects: Effects, settings_environment: dict[str, str], log: Path
) -> None:
    """One run processes the ten records. Each record takes 0.2 s, so the run takes longer than `--time-limit=1`
    allows."""
    with worker(settings_environment, log, option):
        shop_under_test.note.delay("known").get(timeout=PATIENCE_SECONDS)
        for _ in range(10):
            shop_under_test.slow.delay("durable")
        wait_until(lambda: effects.of_flow("shop.slow") == SLOW_ENDED, "all", log, PATIENCE_SECONDS)
    assert effects.attempts() == []
