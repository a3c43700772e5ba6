"""Rules about data that must not be in the database."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding

from ..snapshot import Snapshot
from .register import rule

COUNTS_CHECK = "counts_that_do_not_add_up"
EVIDENCE = ("attempts_lost", "rollups_that_disagree", "broken_seals")


@rule("corruption")
def corruption(snapshot: Snapshot) -> Iterator[Finding]:
    found = [
        violation
        for violation in snapshot.violations
        if violation.check.name not in (COUNTS_CHECK, *EVIDENCE)
    ]
    if found:
        names = sorted({violation.check.name.replace("_", " ") for violation in found})
        first = found[0]
        record = f"record {first.record_id}: " if first.record_id is not None else ""
        yield Finding(
            code="corruption",
            level="emergency",
            message=f"The queue holds data that must not be in it ({', '.join(names)}): {record}{first.problem}.",
            next_step="queuectl stop --all, queuectl backup, queuectl validate; see docs/runbook.md, Data corruption",
            figure=len(found),
            threshold=0,
        )


@rule("wrong_counts")
def wrong_counts(snapshot: Snapshot) -> Iterator[Finding]:
    """Somebody changed a status by hand, so the counts are wrong. The records are not corrupt."""
    for violation in snapshot.violations:
        if violation.check.name == COUNTS_CHECK:
            yield Finding(
                code="wrong_counts",
                level="warning",
                message=f"The counts do not add up: {violation.problem}.",
                next_step="find out who changes statuses without queuectl, then correct the counts: queuectl repair",
            )
            return


@rule("lost_evidence")
def lost_evidence(snapshot: Snapshot) -> Iterator[Finding]:
    """Part of the records' history was lost, or was changed afterwards. The records are not corrupt."""
    found = [violation for violation in snapshot.violations if violation.check.name in EVIDENCE]
    if found:
        yield Finding(
            code="lost_evidence",
            level="critical",
            message=f"Something was removed from the history, or changed in it: {found[0].problem}.",
            next_step="find out who writes to the queue's tables by hand, then call queuectl validate and "
            "queuectl repair",
            figure=len(found),
            threshold=0,
        )
