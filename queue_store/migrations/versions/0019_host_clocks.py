"""By how much each worker process' clock differs from the database's.

Locks: worker_processes for an instant; no row is read or rewritten.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_file(__file__)
