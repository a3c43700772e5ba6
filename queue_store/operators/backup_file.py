"""The file of a backup. Only the file's owner may read it. The whole file is checked before it is used."""

import json
import os
import zipfile
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from queue_store.errors import BackupError

MANIFEST = "manifest.json"
MANIFEST_BYTES = 1_000_000
READ_BYTES = 1 << 20
DAMAGES = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError,
    TypeError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of a backup. `columns`: the columns of each table, in the order in which COPY wrote them."""

    made_at: str
    schema_version: str
    row_counts: dict[str, int]
    columns: dict[str, list[str]]


@contextmanager
def new_backup_file(path: Path) -> Generator[zipfile.ZipFile]:
    """Creates a file that only its owner may read, whatever the umask is, because a backup contains payloads. If the
    block raises an exception, the unfinished file is removed. Raises BackupError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BackupError(f"{path} exists: choose another name") from None
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            yield archive
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def check_new_file(path: Path) -> None:
    """Raises BackupError if `new_backup_file` would fail. Call this before anything is stopped for the backup."""
    if path.exists():
        raise BackupError(f"{path} exists: choose another name")
    if not os.access(path.absolute().parent, os.W_OK):
        raise BackupError(f"{path} cannot be written: choose an existing directory that you may write to")


def checked_manifest(path: Path, tables: Sequence[str]) -> Manifest:
    """Reads the whole file, checks the checksum and number of rows of every table, and returns the manifest. Raises
    BackupError."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(archive)
            _check_tables(manifest, tables)
            for table in tables:
                _check_rows(archive, table, manifest.row_counts[table])
    except DAMAGES as error:
        what = str(error) if isinstance(error, _NotOursError) else type(error).__name__
        raise BackupError(
            f"{path} is not a backup that queuectl wrote, or it is damaged ({what}): name another backup file"
        ) from None
    return manifest


class _NotOursError(ValueError):
    """The file is not a complete backup. The message says what is missing or wrong."""


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    if archive.getinfo(MANIFEST).file_size > MANIFEST_BYTES:
        raise _NotOursError("its manifest is too large")
    said: Any = json.loads(archive.read(MANIFEST))
    if not isinstance(said, dict):
        raise _NotOursError("its manifest is not an object")
    manifest = Manifest(**cast(dict[str, Any], said))
    datetime.fromisoformat(manifest.made_at)
    if not isinstance(cast(object, manifest.schema_version), str):
        raise _NotOursError("its schema has no version")
    return manifest


def _check_tables(manifest: Manifest, tables: Sequence[str]) -> None:
    for name, values in (("row_counts", manifest.row_counts), ("columns", manifest.columns)):
        if not isinstance(cast(object, values), Mapping) or set(values) != set(tables):
            raise _NotOursError(f"its {name} are not those of the queue's tables")
    for table in tables:
        count, columns = cast(object, manifest.row_counts[table]), cast(object, manifest.columns[table])
        if type(count) is not int or count < 0:
            raise _NotOursError(f"{table} has no number of rows")
        if not isinstance(columns, list) or not all(isinstance(c, str) for c in cast(list[object], columns)):
            raise _NotOursError(f"{table} has no columns")


def _check_rows(archive: zipfile.ZipFile, table: str, row_count: int) -> None:
    """Each row ends with a newline. Newlines within values are escaped."""
    found = 0
    with archive.open(f"{table}.copy") as file:
        while data := file.read(READ_BYTES):
            found += data.count(b"\n")
    if found != row_count:
        raise _NotOursError(f"{table} has {found} rows, but the manifest says {row_count}")
