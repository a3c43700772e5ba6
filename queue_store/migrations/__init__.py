"""Forward-only migrations. Each is one SQL file, or a folder of them, next to a revision that says what it locks.

Names without a schema are names in the queue's schema. Where a function or a statement outside of a transaction needs a
schema it says `public`, for which the queue's own schema is put.
"""

from pathlib import Path

from alembic import op

from queue_store.queue_schema import in_queue_schema

SEARCH_PATH = b"SET LOCAL search_path = public, pg_temp; "


def run_file(revision_file: str, *, in_transaction: bool = True) -> None:
    """Execute the .sql file of the same name as the revision."""
    _run(Path(revision_file).with_suffix(".sql"), in_transaction=in_transaction)


def run_files(revision_file: str, names: tuple[str, ...]) -> None:
    """Execute these .sql files of the folder of the same name as the revision, in this order."""
    for name in names:
        _run(Path(revision_file).with_suffix("") / f"{name}.sql", in_transaction=True)


def _run(path: Path, *, in_transaction: bool) -> None:
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    text = path.read_bytes()
    driver.execute(in_queue_schema(SEARCH_PATH + text if in_transaction else text))
