"""What folding the counts needs: how far it came, hours beside the minutes, the depth of the queue by minute.

Locks: nothing that exists for longer than a moment; the new tables are empty.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_file(__file__)
