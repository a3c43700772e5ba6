"""Counts all records, as the nightly review does."""

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager


def recount(database: DatabaseManager, *, dry_run: bool = False) -> list[rollups.Correction]:
    with database.transaction() as cursor:
        return rollups.recount(cursor, dry_run=dry_run)
