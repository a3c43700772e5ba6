"""One small index of the records that may be claimed alone only, whether they wait or run.

Locks: nothing for long. The index is built while work goes on, and waits for older transactions.
Safe while workers run: yes.
"""

from alembic import op

from queue_store.migrations import run_file
from queue_store.queue_schema import in_queue_schema

revision = "0025"
down_revision = "0024"

LEFT_BEHIND = (
    b"DROP INDEX CONCURRENTLY IF EXISTS public.processing_queue_isolated"  # by an interrupted attempt
)
REPLACED = b"DROP INDEX CONCURRENTLY IF EXISTS public.processing_queue_suspects"  # of the waiting ones only


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it keeps nobody waiting, however long it waits
        try:
            op.execute(in_queue_schema(LEFT_BEHIND).decode())
            run_file(__file__, in_transaction=False)
            op.execute(in_queue_schema(REPLACED).decode())
        finally:
            op.execute("SET lock_timeout = '5s'")
