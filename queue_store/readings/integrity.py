"""Checks that the stored data is consistent. Each check is a query that must return no rows."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql

RECORDS_AT_A_GLANCE = 200
RECORDS_AT_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class IntegrityCheck:
    """`scans_history`: the check reads every row, so it runs only on request. `repair`: how to correct what the
    check finds."""

    name: str
    repair: str
    scans_history: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    check: IntegrityCheck
    problem: str
    record_id: int | None


CHECKS = (
    IntegrityCheck(
        "missing_guards", "restore this rule of the schema by hand; for rights: queuectl grant-roles"
    ),
    IntegrityCheck("impossible_live_states", "queuectl repair"),
    IntegrityCheck("claims_without_a_run", "queuectl repair"),
    IntegrityCheck("duplicate_live_records", "cancel one of them: queuectl cancel"),
    IntegrityCheck("counts_that_do_not_add_up", "queuectl repair"),
    IntegrityCheck("attempts_that_do_not_fit", "queuectl repair"),
    IntegrityCheck("sequence_behind", "queuectl repair"),
    IntegrityCheck("attempts_lost", "queuectl repair"),
    IntegrityCheck("rollups_that_disagree", "queuectl repair"),
    IntegrityCheck(
        "broken_seals",
        "find out who changed the audit log; then call queuectl repair, which seals the rest again",
    ),
    IntegrityCheck("impossible_states", "queuectl repair", scans_history=True),
    IntegrityCheck("totals_that_do_not_add_up", "queuectl repair", scans_history=True),
    IntegrityCheck("overall_counts_that_disagree", "queuectl repair", scans_history=True),
    IntegrityCheck(
        "states_beyond_repair",
        "inspect the row with queuectl show, then correct or delete the row by hand, or restore a backup",
        scans_history=True,
    ),
)


def find_violations(cursor: Cursor[Any], *, full: bool = False, at_a_glance: bool = False) -> list[Violation]:
    """Returns the violations that the checks find: usually at most a hundred for each check. `full`: run the scans of
    the whole table as well. `at_a_glance`: read at most 200 unfinished or failed records of each status, and no records
    of busy runs. This option is for callers that check again and again."""
    limit = RECORDS_AT_A_GLANCE if at_a_glance else RECORDS_AT_MOST
    parameters = {"limit": limit, "at_a_glance": at_a_glance}
    violations: list[Violation] = []
    for check in CHECKS:
        if full or not check.scans_history:
            rows = cursor.execute(sql(f"maintenance/integrity/{check.name}"), parameters).fetchall()
            violations += [Violation(check, problem, record_id) for problem, record_id in rows]
    return violations


def find_missing_guards(cursor: Cursor[Any]) -> list[str]:
    """Returns one sentence for each rule of the schema that is missing, disabled or not valid. Also returns one
    sentence for each SECURITY DEFINER function of ours that every login may call."""
    return [
        problem for problem, _ in cursor.execute(sql("maintenance/integrity/missing_guards"), {}).fetchall()
    ]
