"""A restore without `--replace` waits for producers that have open transactions. If one of them commits a record, the
restore is refused, and the record is still there."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from queue_store.errors import BackupError
from queue_store.operators.backup import restore_backup, write_backup
from tests.support.locks import wait_until_blocked_by
from tests.support.store import Store

INSERT = b"INSERT INTO processing_queue (flow_name, payload) VALUES (%s, '{}') RETURNING id, pg_backend_pid()"


def test_a_record_that_is_committed_during_the_wait(store: Store, tmp_path: Path) -> None:
    backup = tmp_path / "queue.zip"
    write_backup(store.database, backup)
    with ThreadPoolExecutor() as threads:
        with store.database.transaction() as cursor:
            record_id, pid = cursor.execute(INSERT, ("sample",)).fetchone() or (0, 0)
            restore = threads.submit(restore_backup, store.database, backup, replace=False)
            wait_until_blocked_by(store.database, pid)
        with pytest.raises(BackupError, match="the queue has records"):
            restore.result()
    assert store.query("SELECT id FROM processing_queue") == [(record_id,)]
