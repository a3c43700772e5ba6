"""Of each order_key at most one record is processing.

Locks: nothing for long; the index is built beside the work, and waits for transactions that began before it.
Safe while workers run: yes. One that was started with older code, and would run a second record of a key, is refused
and ends its run: what it has not written yet runs again. Where two records of one key are processing the migration
stops and names them; run it again when one of them has ended.
"""

import psycopg.errors
from alembic import op

from queue_store.errors import SchemaVersionError
from queue_store.migrations import run_file
from queue_store.queue_schema import in_queue_schema

revision = "0009"
down_revision = "0008"

TWO_OF_A_KEY = b"""
SELECT string_agg(id::text, ', ' ORDER BY id), order_key, flow_name FROM public.processing_queue
WHERE status = 'processing' AND order_key IS NOT NULL GROUP BY flow_name, order_key HAVING count(*) > 1 LIMIT 1
"""
DROP = b"DROP INDEX CONCURRENTLY IF EXISTS public.processing_queue_running_key"


def upgrade() -> None:
    if found := op.get_bind().exec_driver_sql(in_queue_schema(TWO_OF_A_KEY).decode()).fetchone():
        ids, order_key, flow_name = found
        raise SchemaVersionError(
            f"records {ids} with the order_key {order_key!r} of {flow_name} are processing side by side, which this "
            "migration rules out: run it again when one of them has ended"
        )
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it keeps nobody waiting, however long it waits
        drop = in_queue_schema(DROP).decode()
        op.execute(drop)  # what an attempt has left that was interrupted
        try:
            run_file(__file__, in_transaction=False)
        except psycopg.errors.UniqueViolation as error:
            op.execute(drop)
            raise SchemaVersionError(
                "two records of one order_key came to run side by side during this migration: run it again"
            ) from error
        finally:
            op.execute("SET lock_timeout = '5s'")
