"""Each worker process says which record it has in hand, and can be asked to end that handler.

Locks: worker_processes for a moment. Safe while workers run: yes. Workers of before leave the new columns empty.
"""

from queue_store.migrations import run_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_file(__file__)
