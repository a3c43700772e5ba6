"""Somebody changes or deletes rows, or disables a trigger, with plain SQL."""

from collections.abc import Iterator

from tests.drill.fleet import Fleet
from tests.drill.trouble import trouble


def repair(fleet: Fleet) -> None:
    fleet.queuectl("repair", "--no-dry-run", "--yes")


@trouble(
    "somebody disables a trigger of the schema", "corruption", says="only_known_transitions", is_quick=True
)
def trigger_disabled(fleet: Fleet) -> Iterator[None]:
    fleet.execute("ALTER TABLE processing_queue DISABLE TRIGGER only_known_transitions")
    yield
    fleet.execute("ALTER TABLE processing_queue ENABLE TRIGGER only_known_transitions")


@trouble("somebody changes statuses by hand", "wrong_counts", is_quick=True)
def changed_by_hand(fleet: Fleet) -> Iterator[None]:
    fleet.insert("letters", 5, age_seconds=-3600)
    fleet.execute("UPDATE processing_queue SET status = 'cancelled'")
    yield
    repair(fleet)


@trouble("somebody deletes attempts", "lost_evidence", says="is lost", is_quick=True)
def attempts_deleted(fleet: Fleet) -> Iterator[None]:
    fleet.insert("letters", 3, down="/")
    fleet.wait_until_done()
    fleet.execute("DELETE FROM record_attempts")
    yield
    repair(fleet)


@trouble("somebody changes the audit log", "lost_evidence")
def audit_changed(fleet: Fleet) -> Iterator[None]:
    fleet.insert("letters", 3, down="/")
    fleet.wait_until_done()
    fleet.queuectl("reset", "--flow", "letters", "--yes")
    fleet.wait_until_done()
    fleet.execute("UPDATE audit_log SET actor = 'nobody'")
    yield
    repair(fleet)
