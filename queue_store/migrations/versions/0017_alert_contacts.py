"""The names of the contacts that processes have channels to.

Locks: nothing that anybody uses. Safe while workers run: yes. Workers of before store notifications only for the
contacts of their own settings, as they did.
"""

from queue_store.migrations import run_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_file(__file__)
