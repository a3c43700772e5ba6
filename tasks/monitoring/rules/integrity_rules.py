"""Rules about what must not be in the database."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.readings.integrity import Violation

from ..snapshot import Snapshot

COUNTS_CHECK = "counts_that_do_not_add_up"


def corruption(snapshot: Snapshot) -> Iterator[Finding]:
    yield from corruption_among(snapshot.violations)


def corruption_among(violations: list[Violation]) -> Iterator[Finding]:
    found = [violation for violation in violations if violation.check.name != COUNTS_CHECK]
    if found:
        names = sorted({violation.check.name.replace("_", " ") for violation in found})
        first = found[0]
        record = f"record {first.record_id}: " if first.record_id is not None else ""
        yield Finding(
            "corruption",
            "emergency",
            f"Found what must not be in the queue ({', '.join(names)}): {record}{first.problem}.",
            "queuectl stop --all, queuectl backup, queuectl validate; see docs/runbook.md, Data corruption",
            None,
            len(found),
            0,
        )


def wrong_counts(snapshot: Snapshot) -> Iterator[Finding]:
    """Not corruption of the records: somebody changed a status by hand, and the counts did not learn of it."""
    for violation in snapshot.violations:
        if violation.check.name == COUNTS_CHECK:
            yield Finding(
                "wrong_counts",
                "warning",
                f"The counts do not add up: {violation.problem}.",
                "find out who changes statuses past queuectl, then correct the counts: queuectl repair",
            )
            return
