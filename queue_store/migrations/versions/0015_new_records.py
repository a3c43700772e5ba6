"""What a new record may hold, and what becomes of a flow whose claims fail.

Locks: processing_queue and flows for a moment; the live records are read once before.
Safe while workers run: yes. Applications of before that enqueue with "replace" change the priority as well, to 5 where
they say none.
"""

from queue_store.migrations import run_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_file(__file__)
