"""Forward-only migrations. Each is one SQL file beside a revision that says what it locks."""

from pathlib import Path

from alembic import op


def run_file(revision_file: str) -> None:
    """Execute the .sql file of the same name as the revision."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(Path(revision_file).with_suffix(".sql").read_bytes())
