"""The last functions that name no schema name it: they work whatever the search_path of a session is.

Locks: nothing that exists, but for the moment of replacing a function.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run_file(__file__)
