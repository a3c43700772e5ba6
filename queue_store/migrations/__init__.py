"""Forward-only migrations. Each is one SQL file, or a folder of them, next to a revision that says what the
migration locks.

Names without a schema belong to the queue's schema. Function bodies, and statements outside of a transaction, must
name a schema: they say `public`, which is replaced by the queue's own schema.

A migration may be tried several times, until its locks are free (`short_waits`).
"""

from pathlib import Path
from typing import Any

from alembic import op

from queue_store.database.statements import sql
from queue_store.migrations.short_waits import let_vacuum_go
from queue_store.queue_schema import in_queue_schema

SEARCH_PATH = b"SET LOCAL search_path = public, pg_temp; "


def run_file(revision_file: str, *, in_transaction: bool = True) -> None:
    """Execute the .sql file of the same name as the revision."""
    _run(Path(revision_file).with_suffix(".sql"), in_transaction=in_transaction)


def run_files(revision_file: str, names: tuple[str, ...]) -> None:
    """Execute these .sql files, in this order. Their folder has the name of the revision."""
    for name in names:
        _run(Path(revision_file).with_suffix("") / f"{name}.sql", in_transaction=True)


def build_index(revision_file: str, index: str) -> None:
    """Execute the CREATE INDEX CONCURRENTLY in the file `INDEX.sql` of the revision's folder. The statement may wait
    for a long time, because no other session has to wait for it. A migration may be tried several times, so an
    unfinished index of this name is dropped, and a finished one is kept."""
    driver = _driver()
    with op.get_context().autocommit_block():
        driver.execute("SET lock_timeout = 0")
        try:
            for (statement,) in driver.execute(
                sql("migration/unfinished_index"), {"index": index}
            ).fetchall():
                driver.execute(statement)
            if driver.execute(sql("migration/has_index"), {"index": index}).fetchone() != (True,):
                _run(Path(revision_file).with_suffix("") / f"{index}.sql", in_transaction=False)
        finally:
            driver.execute("RESET lock_timeout")


def _run(path: Path, *, in_transaction: bool) -> None:
    driver = _driver()
    text = path.read_bytes()
    if in_transaction:
        let_vacuum_go(driver)
    driver.execute(in_queue_schema(SEARCH_PATH + text if in_transaction else text))


def _driver() -> Any:
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    return driver
