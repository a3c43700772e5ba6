"""enqueue_record refuses a payload that does not fit the JSON Schema of its flow, with the place.

Locks: nothing that exists, but for the moment of replacing a function.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_file(__file__)
