"""Writes a backup of the queue's tables into one file, and restores the backup. The file is a zip that holds a manifest
and the tables in `TABLES`, as they were in one snapshot.

Neither Postgres' own programs nor a superuser is needed. The backup does not contain business tables.
"""

import json
import zipfile
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Cursor
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from queue_store.database import schema
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.database.versions import has_todays_tables
from queue_store.errors import BackupError
from queue_store.operators.backup_file import MANIFEST, Manifest, checked_manifest, new_backup_file
from queue_store.progress import OnProgress, RowCounter, ignore_progress
from queue_store.queue_schema import queue_schema
from queue_store.schedule.recurring import database_time
from queue_store.settings import load_processor_settings

# The tables in the order in which they are restored. Records come first, because inserting them adds counts, which
# the restored counts then replace.
TABLES = (
    "processing_queue",
    "rollup_deltas",
    "rollup_progress",
    "rollup_totals",
    "rollup_minutes",
    "rollup_hours",
    "error_hours",
    "depth_minutes",
    "flows",
    "queue_control",
    "worker_processes",
    "flow_execution_logs",
    "record_attempts",
    "record_progress",
    "cancel_requests",
    "audit_log",
    "alerts",
    "alert_notices",
    "maintenance_runs",
    "schedule_occurrences",
    "beats",
    "beat_leader",
    "baselines",
    "connection_checks",
    "processed_surveys",
)
# The text of a time or a float depends on these settings, which each login and each database can have for itself. A
# restore does not set them: every login reads this text, and its own text that earlier code wrote.
COPY_FORMAT = (
    "SET LOCAL DateStyle = 'ISO, MDY'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
)
AUDIT = "audit_log"
COUNTS = "rollup_deltas"


def write_backup(
    database: DatabaseManager, path: Path, on_progress: OnProgress = ignore_progress
) -> Manifest:
    """Raises BackupError if the file exists or cannot be created. All tables are read in one snapshot, while other
    sessions can go on reading and writing."""
    version, rows = schema.version_of(database) or "nothing", RowCounter(on_progress)
    counts: dict[str, int] = {}
    columns: dict[str, list[str]] = {}
    with new_backup_file(path) as archive, database.transaction() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for statement in COPY_FORMAT:  # a SET takes no snapshot
            cursor.execute(statement)
        made_at = database_time(cursor)  # the first query, so it takes the snapshot
        for table in TABLES:
            columns[table] = columns_of(cursor, table)
            counts[table] = copy_out(cursor, table, columns[table], archive, rows)
        manifest = Manifest(made_at.astimezone(UTC).isoformat(), version, counts, columns)
        archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=2))
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a backup, after checking that the whole file is readable and complete. Raises
    BackupError."""
    return checked_manifest(path, TABLES)


def check_fits(database: DatabaseManager, manifest: Manifest) -> None:
    """Raises BackupError if the backup does not fit into the schema of the database. A backup fits if it has the same
    schema version as the database, or if backups of both versions fit into the newest schema."""
    version = schema.version_of(database)
    versions = {manifest.schema_version, version}
    if len(versions) > 1 and not all(map(has_todays_tables, versions)):
        raise BackupError(
            f"the backup is of schema {manifest.schema_version}, but the database has {version}: restore the backup "
            "with the version of processing-queue that wrote it, then migrate"
        )


def check_room(cursor: Cursor[Any], *, replace: bool) -> None:
    """Raises BackupError if the queue has records and `replace` is False."""
    if not replace and _has_rows(cursor, TABLES[0]):
        raise BackupError("the queue has records: restore into an empty queue, or pass --replace")


def restore_backup(
    database: DatabaseManager,
    path: Path,
    *,
    replace: bool,
    actor: str = "a Python caller",
    on_progress: OnProgress = ignore_progress,
) -> int:
    """Restores everything in one transaction, or nothing. The present rows, except those of the audit log, are deleted
    first. If an operator has stopped all flows, the stop is still in force after the restore. The audit log gets back
    the rows that only the backup has. Runs and worker processes that were alive in the backup, but not just before the
    restore, are ended. In flows with a `max_crash_strikes` of 1, all records that were being processed fail, unless a
    living run still holds them. Returns the number of these records.

    Raises the errors of `check_fits`, `check_room` and `load_processor_settings`, and BackupError for a damaged file.
    """
    manifest = read_manifest(path)
    check_fits(database, manifest)
    try:
        with zipfile.ZipFile(path) as archive, database.transaction() as cursor:
            lost_count = _restore(cursor, archive, manifest, RowCounter(on_progress), replace=replace)
            _audit(cursor, manifest, actor, lost_count)
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
        said = error.diag.message_primary or type(error).__name__
        raise BackupError(f"{path} cannot be restored: {said[:200]}. Nothing was changed.") from error
    return lost_count


def _restore(
    cursor: Cursor[Any], archive: zipfile.ZipFile, manifest: Manifest, rows: RowCounter, *, replace: bool
) -> int:
    """Returns the number of records that fail_lost ended."""
    stops = cursor.execute(sql("backup/stops")).fetchone()
    living = _make_room(cursor, replace=replace)
    for table in TABLES:
        if table == COUNTS:  # inserting the records added counts, which the backup's counts already include
            cursor.execute(SQL("DELETE FROM {}").format(_in_schema(table)))
        _copy_in(cursor, table, manifest.columns[table], archive, rows)
    cursor.execute(sql("backup/restore_sequences"))
    cursor.execute(sql("backup/restore_rollup_mark"))
    cursor.execute(sql("backup/restore_stops"), stops)
    cursor.execute(sql("backup/end_restored"), living)
    cursor.execute("SET LOCAL processing_queue.restoring = 'off'")  # so that the next attempts are counted
    most_strikes = {"max_crash_strikes": load_processor_settings().max_crash_strikes}
    lost = cursor.execute(sql("backup/fail_lost"), {"ids": living["ids"]} | most_strikes).fetchone()
    assert lost
    cursor.execute(sql("backup/restore_audit"))
    return int(lost[0])


def _audit(cursor: Cursor[Any], manifest: Manifest, actor: str, lost_count: int) -> None:
    parameters = {
        "actor": actor,
        "action": "restore",
        "target": f"the backup of {manifest.made_at}",
        "affected_count": manifest.row_counts["processing_queue"],
        "details": Jsonb({"not_repeated_count": lost_count}),
    }
    cursor.execute(sql("operators/audit"), parameters)


def columns_of(cursor: Cursor[Any], table: str) -> list[str]:
    return [row[0] for row in cursor.execute(sql("backup/table_columns"), {"table": table}).fetchall()]


def _in_schema(table: str) -> Identifier:
    return Identifier(queue_schema(), table)


def copy_out(
    cursor: Cursor[Any], table: str, columns: list[str], archive: zipfile.ZipFile, rows: RowCounter
) -> int:
    names = SQL(", ").join(map(Identifier, columns))
    statement = SQL("COPY {} ({}) TO STDOUT (ENCODING 'UTF8')").format(_in_schema(table), names)
    with archive.open(f"{table}.copy", "w", force_zip64=True) as file, cursor.copy(statement) as copy:
        for row in copy:
            file.write(row)
            rows.add(1)  # the server sends each row in a message of its own
    return cursor.rowcount


def _make_room(cursor: Cursor[Any], *, replace: bool) -> dict[str, list[Any]]:
    """Deletes the present rows. Returns the runs and worker processes that have not ended yet, as parameters of
    end_restored."""
    cursor.execute("SET LOCAL lock_timeout = '10s'")
    check_room(cursor, replace=replace)
    records, *others = TABLES
    # If the table of records is emptied, a trigger also empties some of the other tables. So the table of records is
    # emptied first, by a statement of its own.
    cursor.execute(SQL("LOCK TABLE {}").format(_in_schema(records)))  # waits for runs and producers
    check_room(cursor, replace=replace)  # a producer may have committed a record during the wait
    cursor.execute(sql("backup/keep_held"))
    cursor.execute(SQL("TRUNCATE {}").format(_in_schema(records)))
    living = _living(cursor)
    others.remove(AUDIT)
    cursor.execute(SQL("TRUNCATE {}").format(SQL(", ").join(map(_in_schema, others))))
    _set_audit_aside(cursor)
    cursor.execute(sql("backup/prepare_restore"))
    return living


def _living(cursor: Cursor[Any]) -> dict[str, list[Any]]:
    """Locks both tables first, to wait for runs and worker processes that are just ending."""
    tables = map(_in_schema, ("worker_processes", "flow_execution_logs"))
    cursor.execute(SQL("LOCK TABLE {}, {}").format(*tables))
    row = cursor.execute(sql("backup/living")).fetchone()
    assert row
    return dict(zip(("ids", "heartbeats"), row, strict=True))


def _set_audit_aside(cursor: Cursor[Any]) -> None:
    """Moves the rows of the audit log into a temporary table. First locks the table, and so waits for open transactions
    that have added rows: these rows are moved, too."""
    has_rows = _has_rows(cursor, AUDIT)
    if has_rows:  # only the table's owner may lock and truncate it
        cursor.execute(SQL("LOCK TABLE {}").format(_in_schema(AUDIT)))
    cursor.execute(sql("backup/keep_audit"))
    if has_rows:
        cursor.execute(SQL("TRUNCATE {}").format(_in_schema(AUDIT)))
        cursor.execute(sql("backup/forget_seals"))


def _has_rows(cursor: Cursor[Any], table: str) -> bool:
    row = cursor.execute(SQL("SELECT EXISTS (SELECT FROM {})").format(_in_schema(table))).fetchone()
    return bool(row and row[0])


def _copy_in(
    cursor: Cursor[Any], table: str, columns: list[str], archive: zipfile.ZipFile, rows: RowCounter
) -> None:
    names = SQL(", ").join(map(Identifier, columns))
    statement = SQL("COPY {} ({}) FROM STDIN (ENCODING 'UTF8')").format(_in_schema(table), names)
    with archive.open(f"{table}.copy") as file, cursor.copy(statement) as copy:
        while data := file.read(1 << 20):
            copy.write(data)
            rows.add(data.count(b"\n"))
