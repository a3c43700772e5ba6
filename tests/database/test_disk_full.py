"""When the disk is full, an error says so and nothing is written partially. When there is space again, the work
continues."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from queue_store import DistributedProcessor
from queue_store.database import schema
from queue_store.errors import QueueStoreError
from tasks import Backoff, FlowContext
from tasks.embedded.postgres import EmbeddedPostgres
from tests.support.flow_runs import Worker, running_worker
from tests.support.schemas import SEARCH_PATH
from tests.support.servers import connect, reachable_directory

SIZE = "192m"
SMALL = {
    "fsync": "off",
    "min_wal_size": "32MB",
    "max_wal_size": "64MB",
    "shared_buffers": "16MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    **SEARCH_PATH,
}
LARGE_BYTES = 60_000
NO_SPACE = "No space left on device"


class SmallDisk:
    """A Postgres server whose data is on a file system that a test can fill up."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._ballast = server.data_directory / "ballast"

    def fill(self) -> None:
        """Fills the disk, so that Postgres' files cannot grow."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_file_system(directory: Path) -> Iterator[None]:
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(directory)]
    try:
        mounted = (
            os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
        )
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("only root can mount a separate file system, and only if the container allows it")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    programs = os.environ.get("TEST_POSTGRES_BIN")
    with reachable_directory() as directory, small_file_system(directory / "postgres"):
        server = EmbeddedPostgres(directory, settings=SMALL, programs=Path(programs) if programs else None)
        server.start()
        small = SmallDisk(server)
        try:
            manager = connect(server.url())
            schema.migrate(manager.engine)
            manager.dispose()
            yield small
        finally:
            small.free()
            server.stop()


@pytest.fixture
def crowded(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """The services of a worker process whose database is on the small disk. The table `effects` has no unique
    constraint, so a test can see a duplicate effect."""
    with running_worker(disk.server.url(), monkeypatch) as worker:
        worker.query("CREATE TABLE effects (record_id bigint, weight bytea)")
        yield worker


def incompressible(length: int = LARGE_BYTES) -> str:
    return os.urandom(length // 2).hex()


def test_an_enqueue_says_that_the_disk_is_full_and_writes_nothing(
    disk: SmallDisk, crowded: Worker, capfd: pytest.CaptureFixture[str]
) -> None:
    flow = crowded.declare(lambda payload: None, name="sample")
    processor = DistributedProcessor(crowded.services.database)
    disk.fill()
    for rows in (1, 200):
        with pytest.raises(QueueStoreError) as error:  # noqa: PT012
            if rows == 1:
                processor.enqueue("sample", {"text": incompressible()})
            else:
                processor.enqueue_many("sample", [{"text": incompressible()} for _ in range(rows)])
        assert NO_SPACE in str(error.value)
        assert "Free some disk space" in str(error.value)
        assert "Traceback" not in str(error.value)
        assert "\n" not in str(error.value)
        assert crowded.statuses() == {}
    assert "Traceback" not in "".join(capfd.readouterr())
    disk.free()
    processor.enqueue("sample", {"text": incompressible()})
    processor.enqueue_many("sample", [{"text": incompressible()} for _ in range(3)])
    crowded.run(flow)
    assert crowded.statuses() == {"completed": 4}


def test_a_one_commit_run_on_a_full_disk_loses_and_doubles_nothing(disk: SmallDisk, crowded: Worker) -> None:
    filled: list[int] = []

    def weigh(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
        if payload["n"] == 4 and not filled:
            filled.append(context.record_id)
            disk.fill()
            threading.Timer(2, disk.free).start()
        connection.exec_driver_sql(
            "INSERT INTO effects VALUES (%(id)s, decode(%(weight)s, 'hex'))",
            {"id": context.record_id, "weight": incompressible()},
        )

    flow = crowded.declare(weigh, name="weigh", max_retries=3, backoff=Backoff(first_seconds=600, jitter=0))
    ids = crowded.enqueue("weigh", [{"n": n} for n in range(12)])
    crowded.run(flow)
    agree(crowded)
    assert crowded.statuses().get("completed", 0) < len(ids)
    crowded.services.rescue.sweep()
    crowded.make_due()
    crowded.run(flow)
    assert crowded.statuses() == {"completed": len(ids)}
    assert {row.crash_strikes for row in crowded.rows(ids)} == {0}
    agree(crowded)


def agree(worker: Worker) -> None:
    """Asserts that each completed record has exactly one effect, and that no other record has an effect."""
    effects = [row.record_id for row in worker.query("SELECT record_id FROM effects ORDER BY record_id")]
    completed = worker.query("SELECT id FROM processing_queue WHERE status = 'completed' ORDER BY id")
    assert effects == [row.id for row in completed]


def test_outcomes_that_find_no_space_are_written_when_there_is_some(disk: SmallDisk, crowded: Worker) -> None:
    """The outcomes wait until there is space. The handlers have already done their work, and are not called again."""
    done: list[int] = []

    def read(payload: dict[str, Any], context: FlowContext) -> str:
        if not done:
            disk.fill()
            threading.Timer(2, disk.free).start()
        done.append(context.record_id)
        return incompressible(60_000)

    flow = crowded.declare(read, name="read")
    ids = crowded.enqueue("read", [{"n": n} for n in range(40)])
    started = time.monotonic()
    crowded.run(flow)
    assert time.monotonic() - started > 1.5
    assert crowded.statuses() == {"completed": len(ids)}
    assert sorted(done) == ids
    assert {row.retry_count for row in crowded.rows(ids)} == {0}
