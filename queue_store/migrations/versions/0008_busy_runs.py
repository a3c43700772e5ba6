"""Who looks on does not walk over what busy runs have finished.

Locks: nothing that exists.
Safe while workers run: yes, it only adds functions.
"""

from queue_store.migrations import run_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_file(__file__)
