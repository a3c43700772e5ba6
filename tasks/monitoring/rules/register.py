"""The register of rules."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator

from queue_store.alerting.findings import Finding, by_severity
from queue_store.plural import plural

from ..snapshot import Snapshot

logger = logging.getLogger(__name__)

Rule = Callable[[Snapshot], Iterable[Finding]]

RULE_FAILED = "rule_failed"
# Codes that no rule uses any more. An alert that an earlier version opened with such a code can still be resolved.
RETIRED_CODES = ("messages_set_aside",)

_rules: list[tuple[str, Rule]] = []


def rule(code: str) -> Callable[[Rule], Rule]:
    """Register a rule that yields findings of this code. Several rules may share a code."""

    def register(function: Rule) -> Rule:
        _rules.append((code, function))
        return function

    return register


def registered_codes() -> list[str]:
    return [*dict.fromkeys(code for code, _ in _rules), RULE_FAILED]


def judge(snapshot: Snapshot, codes: Collection[str] | None = None) -> list[Finding]:
    """Return the findings of the rules with these codes, the worst first. If `codes` is None, all rules are evaluated.

    If a rule raises an error, the other rules are still evaluated. The error becomes a finding with the code
    RULE_FAILED.
    """
    findings: list[Finding] = []
    failed: list[str] = []
    for code, function in _rules:
        if codes is not None and code not in codes:
            continue
        try:
            findings += function(snapshot)
        except Exception:
            logger.exception("the rule %s failed; the other rules are still evaluated", function.__name__)
            failed.append(function.__name__)
    return by_severity([*findings, *_failed_rules(failed)])


def _failed_rules(names: list[str]) -> Iterator[Finding]:
    if names:
        yield Finding(
            code=RULE_FAILED,
            level="warning",
            message=f"{plural(len(names), 'rule')} cannot judge: {', '.join(names)}.",
            next_step="read the traceback in the log of the process that judged, and report it with the version",
            figure=len(names),
            threshold=0,
        )
