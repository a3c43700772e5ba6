"""The rules: each looks at a snapshot and yields findings. A rule that needs work to judge is silent without it."""

import logging
from collections.abc import Callable, Iterable
from functools import partial

from queue_store.alerting.findings import Finding, by_severity

from ..snapshot import Snapshot
from . import (
    database_rules,
    flow_rules,
    integrity_rules,
    overall_rules,
    worker_rules,
)

logger = logging.getLogger(__name__)

Rule = Callable[[Snapshot], Iterable[Finding]]
Judging = tuple[str, Callable[[], Iterable[Finding]]]

QUEUE_RULES: tuple[Rule, ...] = (
    flow_rules.success_rate,
    flow_rules.processing_rate,
    flow_rules.failed_records,
    flow_rules.recent_failures,
    flow_rules.orphaned_records,
    flow_rules.endless_claims,
    flow_rules.failing_claims,
    flow_rules.backlog,
    flow_rules.rate_below_usual,
    overall_rules.success_rate,
    overall_rules.failed_records,
    overall_rules.recent_failures,
    overall_rules.orphaned_records,
    worker_rules.all_workers_gone,
    worker_rules.flows_not_served,
)
SYSTEM_RULES: tuple[Rule, ...] = (
    worker_rules.busy_processors,
    worker_rules.full_memory,
    worker_rules.deaths,
    database_rules.response_time,
    database_rules.pool_utilization,
    database_rules.connections,
    database_rules.idle_in_transaction,
    database_rules.held_snapshot,
    integrity_rules.corruption,
    integrity_rules.wrong_counts,
    integrity_rules.lost_evidence,
)


def judge(snapshot: Snapshot, rules: Iterable[Rule] = QUEUE_RULES + SYSTEM_RULES) -> list[Finding]:
    """The worst first."""
    return by_severity(judge_apart(looks_at(snapshot, rules)))


def looks_at(snapshot: Snapshot, rules: Iterable[Rule] = QUEUE_RULES + SYSTEM_RULES) -> list[Judging]:
    return [(rule.__name__, partial(rule, snapshot)) for rule in rules]


def judge_apart(looks: Iterable[Judging]) -> list[Finding]:
    """A rule that raises keeps no other from judging: it is a finding of its own."""
    findings: list[Finding] = []
    failed: list[str] = []
    for name, look in looks:
        try:
            findings += look()
        except Exception:
            logger.exception("the rule %s failed, the others judge without it", name)
            failed.append(name)
    if failed:
        findings.append(
            Finding(
                "rule_failed",
                "warning",
                f"{len(failed)} rule(s) cannot judge: {', '.join(failed)}.",
                "read the traceback in the log of who judged, and report it with the version",
                None,
                len(failed),
                0,
            )
        )
    return findings
