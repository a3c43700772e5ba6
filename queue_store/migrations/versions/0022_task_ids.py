"""A record may have a task id that its producer has chosen, which no other record has.

Locks: processing_queue for a moment. The index is built while work goes on, and waits for older transactions.
Safe while workers run: yes.
"""

from alembic import op

from queue_store.migrations import run_file
from queue_store.queue_schema import in_queue_schema

revision = "0022"
down_revision = "0021"

DROP = b"DROP INDEX CONCURRENTLY IF EXISTS public.processing_queue_task_id"
INDEX = b"""CREATE UNIQUE INDEX CONCURRENTLY processing_queue_task_id ON public.processing_queue (task_id)
    WHERE task_id IS NOT NULL"""


def upgrade() -> None:
    run_file(__file__)
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it keeps nobody waiting, however long it waits
        try:
            for statement in (DROP, INDEX):  # an interrupted attempt may have left one
                op.execute(in_queue_schema(statement).decode())
        finally:
            op.execute("SET lock_timeout = '5s'")
