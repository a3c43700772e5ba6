"""Writes the report of a chaos run."""

import platform
import subprocess
from importlib.metadata import version

from queue_store.plural import plural
from tests.chaos.ledger import RULES
from tests.chaos.result import Result
from tests.workers.processes import ROOT


def write_report(report: Result) -> str:
    parts = [
        _head(report),
        _table(["phase", "seconds"], [[phase, f"{s:.1f}"] for phase, s in report.seconds.items()]),
        "## Quotas\n\n" + _quotas(report),
        "## Faults\n\nThe run checked that each fault happened. A fault that found no target does not count, and was "
        "tried again.",
        _faults(report),
        "## Recovery\n\nThe time in seconds from the fault until the first of the records that it took from their "
        "owners was claimed again or finished. If the fault took no record, the time until the next claim of any "
        "record. For an outage, the time counts from its beginning.",
        _recovery(report),
        "## Outside effects\n\n" + _repeats(report),
        *(["## Express\n\n" + _express(report)] if report.is_express else []),
        "## Rules\n\n" + _rules(report),
        "## Processes that ended by themselves\n\n" + _ends(report),
    ]
    return "\n\n".join(parts) + "\n"


def write_verdict(report: Result) -> str:
    """The lines that end the output of a bad run, for readers who see only the end of a log. The text is empty if no
    rule was broken and no quota was missed."""
    lines = [f"Broken: {rule}, for example {examples}" for rule, examples in report.violations.items()]
    lines += [f"Missed: {quota}, {reached} were reached" for quota, reached in report.missed.items()]
    return "".join(f"{line}\n" for line in lines)


def _head(report: Result) -> str:
    verdict = (
        "No rule was broken."
        if not report.violations
        else f"Rules that were broken: {len(report.violations)}."
    ) + (f" QUOTAS WERE MISSED: {report.missed}." if report.missed else " Every quota was reached.")
    kind = " with express" if report.is_express else ""
    kind += ", through PgBouncer" if report.has_pgbouncer else ""
    busy = report.seconds.get("faults", 0.0) + report.seconds.get("drain", 0.0)
    return (
        f"# Chaos run{kind}, seed {report.seed}\n\n"
        f"**{verdict}** {report.record_count:,} records, {report.fault_count:,} faults, at most "
        f"{report.most_hints} hints outstanding, {report.record_count / max(1.0, busy):.0f} records/s until all "
        f"records were done. A due record waited {report.waits[0]} s (p99) or {report.waits[1]} s (longest) for its "
        f"claim. An empty claim reads {report.empty_claim_buffers} buffers afterwards.\n\n"
        f"Started {report.started_at}, at commit {_commit()}, Python {platform.python_version()}, "
        f"Celery {version('celery')}, psycopg {version('psycopg')}, redis-py {version('redis')}, "
        f"{report.servers}, {platform.system()} {platform.release()}, {report.busy_machine}."
    )


def _quotas(report: Result) -> str:
    rows = [[name, f"{wanted:,}", f"{report.reached(name):,}"] for name, wanted in report.quotas.items()]
    return _table(["what", "at least", "reached"], rows)


def _faults(report: Result) -> str:
    names = sorted({*report.faults, *report.retries})
    rows = [[name, str(report.faults[name]), str(report.retries[name])] for name in names]
    return _table(["fault", "happened", "tried again"], rows)


def _recovery(report: Result) -> str:
    keys = ["count", "p50", "p99", "max"]
    rows = [[fault, *(str(seconds[key]) for key in keys)] for fault, seconds in report.recoveries.items()]
    return _table(["fault", *keys], rows)


def _repeats(report: Result) -> str:
    struck, strikes, most, condemned = report.strikes
    return (
        f"{report.repeated_records:,} of {report.record_count:,} records had their effect outside of any "
        f"transaction more than once, one of them {report.most_calls} times. That is "
        f"{report.repeated_records / max(1, report.killed_children):.2f} records for each of {report.killed_children} "
        f"killed children, although other faults also repeat effects. After a crash, an effect outside of a "
        f"transaction can always happen again.\n\n"
        f"## Crash strikes\n\n{strikes} strikes on {struck} records, {most} on one of them. With the default of 3 "
        f"strikes, {plural(condemned, 'innocent record')} would have ended as failed. When processes are killed "
        f"at random, nobody can tell an innocent record from poison. So this run allows 1,000 strikes."
    )


def _express(report: Result) -> str:
    slices = _table(
        ["flow", "completed in slices"], [[name, f"{n:,}"] for name, n in report.slice_counts.items()]
    )
    return (
        f"{report.lost_attempts:,} calls were made in slices that ended without an outcome. Their records were claimed "
        f"and processed again.\n\n{slices}"
    )


def _rules(report: Result) -> str:
    lines = []
    for rule in [*RULES, *(r for r in report.violations if r not in RULES)]:
        broken = report.violations.get(rule)
        lines.append(f"- never: {rule}" + (f": **broken**, for example {broken}" if broken else ""))
    return "\n".join(lines)


def _ends(report: Result) -> str:
    return "\n".join(f"- {end.strip()}" for end in report.unexpected_ends) or "None."


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _commit() -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"
