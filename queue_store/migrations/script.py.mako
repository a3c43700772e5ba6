"""${message}

Kind: expand, or contract. A contract says as well: Serves code from VERSION.
Locks: say what it locks, and for how long.
Safe while workers run: yes or no, and why.
"""

from queue_store.migrations import run_file

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run_file(__file__)
