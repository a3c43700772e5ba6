"""The queue and what stands beside it.

Locks: nothing that exists.
Safe while workers run: yes, there are none before it.
"""

from queue_store.migrations import run_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_file(__file__)
