"""Forward-only migrations. Each is one SQL file next to a revision that says what it locks.

Names without a schema are names in the queue's schema. Where a function or a statement outside of a transaction needs a
schema it says `public`, for which the queue's own schema is put.
"""

from pathlib import Path

from alembic import op

from queue_store.queue_schema import in_queue_schema

SEARCH_PATH = b"SET LOCAL search_path = public, pg_temp; "


def run_file(revision_file: str, *, in_transaction: bool = True) -> None:
    """Execute the .sql file of the same name as the revision."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    text = Path(revision_file).with_suffix(".sql").read_bytes()
    driver.execute(in_queue_schema(SEARCH_PATH + text if in_transaction else text))
