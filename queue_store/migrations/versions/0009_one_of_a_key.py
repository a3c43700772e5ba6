"""Of each order_key at most one record is processing.

Locks: nothing for long; the index is built beside the work, and waits for transactions that began before it.
Safe while workers run: yes. Where two records of one key are processing it stops and names them; run it again when one
of them has ended.
"""

from alembic import op

from queue_store.errors import SchemaVersionError
from queue_store.migrations import run_file

revision = "0009"
down_revision = "0008"

TWO_OF_A_KEY = """
SELECT string_agg(id::text, ', ' ORDER BY id), order_key, flow_name FROM processing_queue
WHERE status = 'processing' AND order_key IS NOT NULL GROUP BY flow_name, order_key HAVING count(*) > 1 LIMIT 1
"""


def upgrade() -> None:
    if found := op.get_bind().exec_driver_sql(TWO_OF_A_KEY).fetchone():
        ids, order_key, flow_name = found
        raise SchemaVersionError(
            f"records {ids} with the order_key {order_key!r} of {flow_name} are processing side by side, which this "
            "migration rules out: run it again when one of them has ended"
        )
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it keeps nobody waiting, however long it waits
        op.execute(
            "DROP INDEX CONCURRENTLY IF EXISTS processing_queue_running_key"
        )  # of an attempt that failed
        run_file(__file__)
        op.execute("SET lock_timeout = '5s'")
