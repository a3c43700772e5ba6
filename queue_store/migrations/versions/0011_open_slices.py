"""A one-COMMIT handler cannot commit its slice itself.

Locks: nothing that exists.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_file(__file__)
