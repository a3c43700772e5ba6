"""The code blocks of docs/high-availability.md move the queue to a new server, while producers and workers go on."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from queue_store.counts import rollups
from queue_store.database import schema
from tasks.embedded.postgres import EmbeddedPostgres
from tests.support.acknowledged import acknowledged_by, running_producers
from tests.support.documents import code_blocks
from tests.support.promotion import EFFECTS, judged, queue_of
from tests.support.recounting import recount
from tests.support.replica import SETTINGS as OF_SMALL_SERVERS, proxy_before
from tests.support.servers import connect, reachable_directory
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until as wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

PAGE = "docs/high-availability.md"
SETTINGS = {"HEARTBEAT_SECONDS": "0.5", "LEASE_SECONDS": "3"}
MARK = "SELECT folded_through_id FROM rollup_progress"
YEARS_AWAY = b"""UPDATE rollup_progress SET candidate_id = greatest(candidate_id, folded_through_id) + 1,
    candidate_transaction = '9000000000000000000'"""
wait_until = partial(wait_for, timeout_seconds=60)


@dataclass(frozen=True)
class Servers:
    old: EmbeddedPostgres
    new: EmbeddedPostgres
    url: str
    environment: dict[str, str]

    def run(self, block: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            env=self.environment, cwd=self.environment["PWD"], capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Two independent servers. Only the old server has the schema. If TEST_POSTGRES_BIN is set, the old server uses the
    programs in that directory."""
    old_programs = os.environ.get("TEST_POSTGRES_BIN")
    with reachable_directory() as directory, ExitStack() as stack:
        ports: list[int] = []
        made: list[EmbeddedPostgres] = []
        for name, programs in (("old", Path(old_programs) if old_programs else None), ("new", None)):
            settings = OF_SMALL_SERVERS | {"wal_level": "logical"}
            server = EmbeddedPostgres(directory / name, settings=settings, programs=programs)
            stack.callback(server.stop)
            server.start()
            proxy = proxy_before(server)
            stack.callback(proxy.stop)
            made.append(server)
            ports.append(proxy.port)
        old, new = made
        database = connect(old.url())
        schema.migrate(database.engine)
        database.dispose()
        hosts = [f"127.0.0.1:{port}" for port in ports]
        yield Servers(
            old,
            new,
            f"postgresql://postgres@{','.join(hosts)}/postgres?target_session_attrs=read-write",
            {
                **os.environ,
                "PATH": f"{new.programs}:{os.environ['PATH']}",
                "PWD": str(tmp_path),
                "OLD": f"postgresql://postgres@{hosts[0]}/postgres",
                "NEW": f"postgresql://postgres@{hosts[1]}/postgres",
                "DATABASE": "postgres",
            },
        )


def test_the_procedure_of_the_page_loses_and_doubles_nothing(
    servers: Servers, redis_url: str, tmp_path: Path
) -> None:
    copy, is_copied, close, has_all, open_new = (block.code for block in code_blocks(PAGE, "bash"))
    log = tmp_path / "worker.log"
    environment = {**os.environ, "DATABASE_URL": servers.url, "CELERY_BROKER_URL": redis_url}
    with queue_of(servers.old) as old, queue_of(servers.new) as new:
        change(old, EFFECTS)
        with running_worker(environment, log, settings=SETTINGS), running_producers(servers.url) as producers:
            wait_until(lambda: old.counts().get("completed", 0) >= 200, "records that flow", log)
            servers.run(copy)
            wait_until(lambda: servers.run(is_copied).strip() == "t", "the copy", log)
            change(old, YEARS_AWAY)
            servers.run(close)
            wait_until(lambda: servers.run(has_all).strip() == "t", "the last changes", log)
            with queue_of(servers.old) as closed:
                last_id = closed.value("SELECT last_value FROM processing_queue_id_seq")
                mark = closed.value(MARK)
            acknowledged = acknowledged_by(producers)
            servers.run(open_new)
            wait_until(lambda: acknowledged_by(producers) > acknowledged + 100, "producers that go on", log)
            for producer in producers:
                producer.stop()
            wait_until(lambda: new.counts().keys() == {"completed"}, "the end of all", log)
        assert judged(new, producers).lost == 0
        assert min(max(producer.ids.values()) for producer in producers) > last_id
        assert_counts_are_folded(new, beyond=mark)


def assert_counts_are_folded(queue: Queue, *, beyond: int) -> None:
    """Waits until all deltas are folded and `folded_through_id` is above `beyond`. Asserts that the counts match the
    rows."""

    def is_folded() -> bool:
        rollups.fold(queue.database)
        return queue.value("SELECT count(*)::int FROM rollup_deltas") == 0 and queue.value(MARK) > beyond

    wait_until(is_folded, "counts that are folded")
    assert recount(queue.database) == []


def change(queue: Queue, statement: bytes) -> None:
    with queue.database.transaction() as cursor:
        cursor.execute(statement)
