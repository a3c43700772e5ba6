"""Enqueueing as SQL functions, the same for every language.

Locks: nothing that exists.
Safe while workers run: yes, it only adds functions.
"""

from queue_store.migrations import run_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_file(__file__)
