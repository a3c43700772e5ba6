"""Rules about what must not be in the database."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.readings.integrity import Violation

from ..snapshot import Snapshot

COUNTS_CHECK = "counts_that_do_not_add_up"
EVIDENCE = ("attempts_lost", "rollups_that_disagree", "broken_seals")


def corruption(snapshot: Snapshot) -> Iterator[Finding]:
    yield from corruption_among(snapshot.violations)


def corruption_among(violations: list[Violation]) -> Iterator[Finding]:
    found = [v for v in violations if v.check.name not in (COUNTS_CHECK, *EVIDENCE)]
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


def lost_evidence(snapshot: Snapshot) -> Iterator[Finding]:
    """The records are as they should be. But of what happened to them something was lost, or changed afterwards."""
    found = [violation for violation in snapshot.violations if violation.check.name in EVIDENCE]
    if found:
        yield Finding(
            "lost_evidence",
            "critical",
            f"Something was taken from the history, or changed in it: {found[0].problem}.",
            "find out who writes to the queue's tables by hand, then queuectl validate and queuectl repair",
            None,
            len(found),
            0,
        )
