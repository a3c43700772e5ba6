"""Three releases of this code, which together rename a column of processing_queue by expand, deploy and contract."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from queue_store.database import versions
from tests.support.builds import Build
from tests.workers.processes import CeleryProcess, running_worker

SHADE, TINT, WITHOUT_SHADE = "0901_shade", "0902_tint", "0903_without_shade"
FLOW_NAME = "paint"
FLOW_MODULE = "flows_of_this_build"
SETTINGS = {"IDLE_POLL_SECONDS": "0.1"}  # because no process sends hints
FLOW = '''"""The flow of this release. It reads the colour from the column that this release uses."""

from typing import Any

from sqlalchemy import Connection

from tasks import FlowContext, flow

EFFECT = """INSERT INTO effects (record_id, build, colour)
    SELECT id, '{build}', {column} FROM processing_queue WHERE id = %(record_id)s"""


@flow(batch_size=20)
def paint(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
    connection.exec_driver_sql(EFFECT, {{"record_id": context.record_id}})
'''
EFFECTS = "CREATE TABLE effects (record_id bigint NOT NULL, build text NOT NULL, colour text NOT NULL)"
EXPAND = """
ALTER TABLE processing_queue ADD COLUMN tint text NOT NULL DEFAULT 'dark', ADD COLUMN note text;
CREATE TABLE tints (tint text PRIMARY KEY);
"""
INDEX = "CREATE INDEX CONCURRENTLY processing_queue_by_creation ON public.processing_queue (created_at)"
CONTRACT = "ALTER TABLE processing_queue DROP COLUMN shade"


class Release:
    def __init__(self, name: str, directory: Path, url: str, broker_url: str, column: str) -> None:
        self.name = name
        self.build = Build(directory, url, broker_url)
        self.build.add_migration(
            SHADE, versions.latest_version(), "expand",
            "ALTER TABLE processing_queue ADD COLUMN shade text NOT NULL DEFAULT 'dark'",
        )  # fmt: skip
        (directory / f"{FLOW_MODULE}.py").write_text(FLOW.format(build=name, column=column))

    def expand(self) -> None:
        self.build.add_migration(TINT, SHADE, "expand", EXPAND, processing_queue_by_creation=INDEX)

    def contract(self) -> None:
        self.build.add_migration(WITHOUT_SHADE, TINT, f"contract. Serves code from {TINT}", CONTRACT)
        self.build.serves_code_from(TINT)

    @contextmanager
    def worker(self) -> Iterator[CeleryProcess]:
        log = self.build.directory / "worker.log"
        log.unlink(missing_ok=True)
        with running_worker(
            self.build.environment, log, flows=FLOW_MODULE, settings=SETTINGS, checkout=self.build.directory
        ) as worker:
            yield worker

    def migrate(self) -> None:
        done = self.build.queuectl("migrate")
        assert done.returncode == 0, done.stderr


def three_releases(directory: Path, url: str, broker_url: str) -> tuple[Release, Release, Release]:
    old = Release("n", directory / "n", url, broker_url, "shade")
    new = Release("n+1", directory / "n1", url, broker_url, "tint")
    new.expand()
    last = Release("n+2", directory / "n2", url, broker_url, "tint")
    last.expand()
    last.contract()
    return old, new, last
